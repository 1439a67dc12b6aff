import { AsyncResource } from "node:async_hooks";

import { CancelledError, HostFailedError } from "../generated/errors.js";
import type { Bridge } from "./native.js";
import { describe, toReport } from "./report.js";

/** How a function of the program is shown to people and models. */
export interface FunctionOptions {
  /** One sentence. */
  description?: string;
  /** The JSON Schema of the arguments; anything unless given. */
  inputSchema?: unknown;
  /** The JSON Schema of the result; anything unless given. */
  outputSchema?: unknown;
  /** Whether it changes nothing outside and may be called twice without harm. */
  isReadOnly?: boolean;
}

/** What is known about a call of a function of the program besides its arguments. */
export interface FunctionContext {
  /** The tenant on whose behalf the call is made. */
  tenant: string;
  /** The user on whose behalf the call is made. */
  user: string;
  /** The user's roles. */
  roles: string[];
  /** The run that calls; absent for a direct call. */
  run?: string;
  /** The JSON pointer of the calling task in its document; absent for a direct call. */
  task?: string;
  /** The same for every repetition of this call after a crash, and different for every other call. */
  idempotency_key: string;
  /** Where relative file paths start. */
  directory?: string;
  /** When the caller stops waiting. */
  deadline: string;
}

/** What a function of the program gets besides its arguments. */
export interface FunctionCall {
  /** Aborted when nobody waits for the result any more. */
  signal: AbortSignal;
  /** What else is known about the call. */
  context: FunctionContext;
}

/** A function of the program: it gives anything that has a JSON form, or a promise of it. */
export type HostFunction<Arguments = unknown> = (arguments_: Arguments, call: FunctionCall) => unknown;

/** Carries out the functions of the program that the engine calls. */
export class Host {
  readonly #bridge: Bridge;
  readonly #functions = new Map<string, HostFunction>();
  readonly #running = new Map<number, AbortController>();

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  register(name: string, function_: HostFunction): void {
    // It runs with the AsyncLocalStorage of its registration, not with that of some other call.
    this.#functions.set(name, AsyncResource.bind(function_));
  }

  unregister(name: string): void {
    this.#functions.delete(name);
  }

  /** Answers one call; never throws. */
  async call(call: number, name: string, arguments_: unknown, context: FunctionContext): Promise<void> {
    const controller = new AbortController();
    this.#running.set(call, controller);
    let reply: string;
    try {
      const function_ = this.#functions.get(name);
      if (function_ === undefined) {
        throw new HostFailedError(`the function '${name}' is not registered any more`);
      }
      const output = await function_(arguments_, { signal: controller.signal, context });
      const text = JSON.stringify(output ?? null) as string | undefined;
      if (text === undefined) {
        throw new HostFailedError(`the result of '${name}' has no JSON form: it is a ${typeof output}`);
      }
      reply = `{"ok":${text}}`;
    } catch (thrown) {
      reply = failure(name, thrown);
    }
    // A call that was cancelled has no entry any more, and nobody waits for its reply.
    if (this.#running.delete(call)) {
      this.#bridge.reply(call, reply);
    }
  }

  cancel(call: number): void {
    const controller = this.#running.get(call);
    this.#running.delete(call);
    controller?.abort(new CancelledError("nobody waits for the result of this call any more"));
  }

  close(): void {
    for (const call of [...this.#running.keys()]) {
      this.cancel(call);
    }
  }
}

/** The reply for what a function threw, which may be anything: even to look at it may fail. */
function failure(name: string, thrown: unknown): string {
  try {
    return JSON.stringify({ err: toReport(thrown) });
  } catch (error) {
    const message = `what '${name}' threw cannot be told: ${describe(error)}`;
    return JSON.stringify({ err: { code: "host_failed", message } });
  }
}
