import { clearInterval, setImmediate, setInterval } from "node:timers";

import { CancelledError, ClosedError, InvalidRequestError } from "../generated/errors.js";
import { STREAMS } from "../generated/operations.js";
import type { ErrorReport } from "../generated/types.js";
import type { AtomError } from "./errors.js";
import { Host, type FunctionContext } from "./host.js";
import type { Bridge } from "./native.js";
import { fromReport } from "./report.js";
import { Stream } from "./stream.js";

/** How many messages are taken before the event loop gets its turn. */
const BATCH = 256;

/** The longest interval there is. */
const LONGEST_INTERVAL = 2 ** 31 - 1;

/** How a call is made. */
export interface CallOptions {
  /** Cancels the call, which then fails with `CancelledError`. A run that the call started or waits for goes on. */
  signal?: AbortSignal | undefined;
}

/** Makes calls as one principal. */
export interface Caller {
  /** Calls an operation that answers once. */
  call(operation: string, request: object, options?: CallOptions): Promise<unknown>;
  /** Begins an operation that answers with a stream. */
  subscribe(operation: string, request: object, options?: CallOptions): Stream<unknown>;
}

type Message =
  | { type: "result"; id: number; ok: unknown; err?: undefined }
  | { type: "result"; id: number; err: ErrorReport }
  | { type: "item"; id: number; item: unknown }
  | { type: "end"; id: number; err?: ErrorReport | null }
  | { type: "host_call"; call: number; function: string; arguments: unknown; context: FunctionContext }
  | { type: "host_cancel"; call: number }
  | { type: "closed" };

/** Takes the messages of one call or stream. */
interface Receiver {
  receive(message: Message): void;
  fail(error: AtomError): void;
}

/** An open engine: submits calls, and hands its messages to whoever waits for them. */
export class Connection {
  readonly host: Host;
  readonly #bridge: Bridge;
  readonly #receivers = new Map<number, Receiver>();
  #holds = 0;
  /** What keeps the event loop alive while somebody waits. */
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.host = new Host(bridge);
    bridge.setWaker(() => this.#take());
  }

  get bridge(): Bridge {
    return this.#bridge;
  }

  /** A caller as this principal, the JSON of one; the configured one if empty. */
  caller(principal: string): Caller {
    return {
      call: async (operation, request, options) => {
        try {
          return await this.#call(operation, principal, request, options?.signal);
        } catch (error) {
          // The stack of whoever waits, rather than that of the event loop.
          Error.captureStackTrace(error as Error);
          throw error;
        }
      },
      subscribe: (operation, request, options) =>
        this.#subscribe(operation, principal, request, options?.signal),
    };
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    await this.#bridge.close(graceMs);
    while (this.#take() > 0);
    for (const [id, receiver] of [...this.#receivers]) {
      this.#receivers.delete(id);
      receiver.fail(new ClosedError("the engine is closed; open it again to go on"));
    }
    this.host.close();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #call(
    operation: string,
    principal: string,
    request: object,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (STREAMS.has(operation)) {
        throw wrongKind(operation, "answers with a stream; use 'subscribe'");
      }
      const id = this.#submit(operation, principal, request, signal);
      const abort = (): void => this.#bridge.cancel(id);
      const settle = (): void => {
        this.#receivers.delete(id);
        signal?.removeEventListener("abort", abort);
        this.#release();
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#hold();
      this.#receivers.set(id, {
        receive: (message) => {
          settle();
          if (message.type === "result" && message.err === undefined) {
            resolve(message.ok);
          } else {
            const error = fromReport((message as { err: ErrorReport }).err);
            reject(error.code === "cancelled" && signal?.aborted ? cancelled(operation, signal) : error);
          }
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      });
    });
  }

  #subscribe(
    operation: string,
    principal: string,
    request: object,
    signal: AbortSignal | undefined,
  ): Stream<unknown> {
    let id = 0;
    const stream = new Stream<unknown>({
      pause: () => this.#bridge.pause(id),
      resume: () => this.#bridge.resume(id),
      cancel: () => end(),
      hold: () => this.#hold(),
      release: () => this.#release(),
    });
    const settle = (): void => {
      this.#receivers.delete(id);
      signal?.removeEventListener("abort", abort);
    };
    const end = (): void => {
      settle();
      this.#bridge.cancel(id);
    };
    const abort = (): void => {
      end();
      stream.finish(cancelled(operation, signal));
    };
    try {
      id = this.#submit(operation, principal, request, signal);
    } catch (error) {
      stream.finish(error as AtomError);
      return stream;
    }
    signal?.addEventListener("abort", abort, { once: true });
    this.#receivers.set(id, {
      receive: (message) => {
        if (message.type === "item") {
          stream.receive(message.item);
          return;
        }
        settle();
        const { err } = message as { err?: ErrorReport | null };
        if (err) {
          stream.finish(fromReport(err));
        } else if (message.type === "end") {
          stream.finish();
        } else {
          stream.finish(wrongKind(operation, "answers once; use 'call'"));
        }
      },
      fail: (error) => {
        settle();
        stream.finish(error);
      },
    });
    return stream;
  }

  #submit(operation: string, principal: string, request: object, signal: AbortSignal | undefined): number {
    if (this.#closing !== undefined) {
      throw new ClosedError("the engine is closed; open it again to go on", { operation });
    }
    if (signal?.aborted) {
      throw cancelled(operation, signal);
    }
    return this.#bridge.submit(operation, principal, encode(request, operation));
  }

  /** Takes waiting messages and says how many there were. */
  #take(): number {
    const messages = this.#bridge.drain(BATCH);
    for (const text of messages) {
      this.#dispatch(JSON.parse(text) as Message);
    }
    if (messages.length === BATCH) {
      setImmediate(() => this.#take());
    }
    return messages.length;
  }

  #dispatch(message: Message): void {
    switch (message.type) {
      case "host_call":
        void this.host.call(message.call, message.function, message.arguments, message.context);
        break;
      case "host_cancel":
        this.host.cancel(message.call);
        break;
      case "closed":
        break;
      default:
        // What was cancelled here may still have messages under way.
        this.#receivers.get(message.id)?.receive(message);
    }
  }

  #hold(): void {
    this.#holds += 1;
    if (this.#holds === 1) {
      this.#timer ??= setInterval(() => {}, LONGEST_INTERVAL);
      this.#timer.ref();
    }
  }

  #release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) {
      this.#timer?.unref();
    }
  }
}

/** The JSON of what is given to the engine. */
export function encode(value: unknown, operation: string): string {
  try {
    return JSON.stringify(value) ?? "{}";
  } catch (cause) {
    throw new InvalidRequestError(`the request has no JSON form: ${String(cause)}`, { operation, cause });
  }
}

function cancelled(operation: string, signal: AbortSignal | undefined): CancelledError {
  return new CancelledError("the call was cancelled", { operation, cause: signal?.reason });
}

function wrongKind(operation: string, hint: string): InvalidRequestError {
  return new InvalidRequestError(`the operation ${hint}`, { operation });
}
