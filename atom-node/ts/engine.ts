/// <reference lib="esnext.disposable" preserve="true" />
import { Operations } from "../generated/operations.js";
import { Connection, encode, type Caller, type CallOptions } from "./connection.js";
import type { FunctionOptions, HostFunction } from "./host.js";
import { load } from "./native.js";
import { fromNative } from "./report.js";
import type { Stream } from "./stream.js";

const CLOSE_GRACE_MS = 5_000;

/** What may be reached over HTTP, and how. */
export interface HttpOptions {
  /** Whether requests may go to addresses that are not on the public internet; `deny` unless given. */
  privateAddresses?: "deny" | "allow";
  /** Where requests to a host go instead: a base URL for each host. */
  hosts?: Record<string, string>;
  /** The longest response body that is read, in bytes. */
  maximumResponseBytes?: number;
  /** How long connecting to a server may take, in seconds. */
  connectTimeoutSeconds?: number;
  /** How long a call may take that has no deadline of its own, in seconds. */
  timeoutSeconds?: number;
}

/** Which processes workflows may start on this machine: none unless it is said. */
export interface ProcessOptions {
  /** Whether `run: shell` is allowed. */
  shell?: boolean;
  /** Whether `run: script` is allowed. */
  script?: boolean;
  /** Whether `run: container` is allowed. */
  container?: boolean;
  /** Whether `call: mcp` may start servers. */
  mcp?: boolean;
  /** The Python interpreter of `run: script`; `python3` unless given. */
  python?: string;
  /** The Unix socket of the container engine; the usual one unless given. */
  containerSocket?: string;
  /** Folders in which servers are looked for before those of the `PATH` of this program. */
  path?: readonly string[];
}

/**
 * How long an engine keeps what has ended, as ISO 8601 durations such as `P30D`: runs and events for ever unless it is
 * said.
 */
export interface RetentionOptions {
  /** Runs that completed, unless their document says otherwise. */
  completed?: string;
  /** Runs that faulted or were cancelled, unless their document says otherwise. */
  failed?: string;
  /** Events of the log. */
  events?: string;
  /** Statistics of runs and tasks, `P31D` or more; `P400D` unless given. */
  statistics?: string;
}

/** What an engine is told when it is opened. */
export interface OpenOptions {
  /**
   * The folder that holds the store and its key, or on PostgreSQL the key only; one engine at a time has a store open.
   * The platform's folder for application data unless given.
   */
  dataDir?: string;
  /**
   * Where workflows, runs, events and secrets are kept: `sqlite` unless given, `memory`, or the URL of a PostgreSQL
   * database, `postgres://user:password@host/database`.
   */
  storage?: "sqlite" | "memory" | (string & {});
  /**
   * What carries runs out: `embedded`, the engine itself, unless given, or the URL of a Temporal server,
   * `temporal://host:port/namespace?task_queue=name`, `temporals` for TLS.
   */
  runs?: "embedded" | (string & {});
  /** The tenant of calls that name no principal. */
  tenant?: string;
  /** The user of calls that name no principal. */
  user?: string;
  /** The roles of calls that name no principal; none means every permission. */
  roles?: readonly string[];
  /** The permissions of roles besides the built-in `admin` and `viewer`. */
  permissions?: Record<string, readonly string[]>;
  /** The folders that local connectors may read and write, none unless given; or `everywhere`. */
  fileRoots?: "everywhere" | readonly string[];
  /** What may be reached over HTTP, and how. */
  http?: HttpOptions;
  /**
   * Where the functions of the catalog `default` are: an `http`, `https` or `file` URI. There is no such catalog unless
   * given.
   */
  defaultCatalog?: string;
  /** What is told of runs by events: `none` unless given, `workflow`, or `all` for their tasks, too. */
  lifecycleEvents?: "none" | "workflow" | "all";
  /** Which processes workflows may start; none unless given. */
  processes?: ProcessOptions;
  /** Whether runs that were under way when the store was last closed go on at once; yes unless given. */
  resume?: boolean;
  /** How long runs that have ended, events and statistics are kept. */
  retention?: RetentionOptions;
  /** How often alert rules are evaluated, in milliseconds, at least 1000; every minute unless given. */
  alertIntervalMs?: number;
  /** How long a function of this program may take to answer, in milliseconds; 5 minutes unless given. */
  hostCallTimeoutMs?: number;
  /** How long closing waits for calls and runs to finish what they are writing; 5 seconds unless given. */
  closeGraceMs?: number;
}

/** On whose behalf calls are made. */
export interface Principal {
  /** The tenant. */
  tenant: string;
  /** The user within the tenant. */
  user: string;
  /** The user's roles; none means every permission. */
  roles?: readonly string[];
}

/** The operations of an engine on behalf of one principal: `actor.runs.start(...)`. */
export class Actor extends Operations {
  readonly #caller: Caller;

  /** @internal */
  constructor(caller: Caller) {
    super(caller);
    this.#caller = caller;
  }

  /** Calls an operation by name, with the request and the answer as they are in JSON. */
  call(operation: string, request: object = {}, options?: CallOptions): Promise<unknown> {
    return this.#caller.call(operation, request, options);
  }

  /** Begins a stream operation by name. Errors are thrown by the first step of the iteration. */
  subscribe(operation: string, request: object = {}, options?: CallOptions): Stream<unknown> {
    return this.#caller.subscribe(operation, request, options);
  }
}

/**
 * An open engine. It stays open until it is closed or the process ends, and keeps the event loop alive only while
 * somebody waits for an answer.
 */
export class Engine extends Actor {
  readonly #connection: Connection;
  readonly #closeGraceMs: number;

  private constructor(connection: Connection, closeGraceMs: number) {
    super(connection.caller(""));
    this.#connection = connection;
    this.#closeGraceMs = closeGraceMs;
  }

  /**
   * Opens an engine.
   *
   * Fails with `locked` when another engine has the folder open, `invalid_request`, `storage_failed`, …
   */
  static async open(options: OpenOptions = {}): Promise<Engine> {
    const text = encode(configuration(options), "engine.open");
    const bridge = await load()
      .Bridge.open(text)
      .catch((error: unknown) => {
        throw fromNative(error);
      });
    return new Engine(new Connection(bridge), options.closeGraceMs ?? CLOSE_GRACE_MS);
  }

  /** The same operations on behalf of somebody else: a user of this program. */
  actingAs(principal: Principal): Actor {
    const { tenant, user, roles = [] } = principal;
    return new Actor(this.#connection.caller(encode({ tenant, user, roles }, "engine.acting_as")));
  }

  /**
   * Lets workflows call a function of this program as `call: <name>`.
   *
   * The name is lower-case words joined by `_`, grouped by `.`, e.g. `greetings.make`. What the function throws
   * becomes the error of the call: an `AtomError` with its code, anything else as `host_failed`.
   *
   * Throws `already_exists`, or `invalid_request` for a name that is none.
   */
  function<Arguments = any>(name: string, function_: HostFunction<Arguments>): void;
  function<Arguments = any>(
    name: string,
    options: FunctionOptions,
    function_: HostFunction<Arguments>,
  ): void;
  function(name: string, ...rest: [HostFunction<any>] | [FunctionOptions, HostFunction<any>]): void {
    const [options, function_] = rest.length === 1 ? [{}, rest[0]] : rest;
    const { bridge, host } = this.#connection;
    try {
      bridge.registerFunction(encode({ ...snakeCase(options), name }, "functions.register"));
    } catch (error) {
      throw fromNative(error);
    }
    host.register(name, function_);
  }

  /** Removes a function of this program and tells whether there was one. Calls under way go on. */
  unregisterFunction(name: string): boolean {
    this.#connection.host.unregister(name);
    return this.#connection.bridge.unregisterFunction(name);
  }

  /**
   * Closes the engine and waits until its data folder is free. Closing again does nothing.
   *
   * Calls under way get `closeGraceMs` to finish, then they fail with `ClosedError`. Runs go on when an engine opens
   * the folder again.
   */
  close(): Promise<void> {
    return this.#connection.close(this.#closeGraceMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Opens an engine: `Engine.open`. */
export function open(options: OpenOptions = {}): Promise<Engine> {
  return Engine.open(options);
}

/** The options as the engine reads them. Roles keep their names. */
function configuration({ permissions, ...options }: OpenOptions): object {
  const isPart = (value: unknown): value is object =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const entries = Object.entries(options).map(([key, value]) => [key, isPart(value) ? snakeCase(value) : value]);
  return { ...snakeCase(Object.fromEntries(entries)), permissions };
}

/** The same with keys as the engine writes them. */
function snakeCase(options: object): Record<string, unknown> {
  const word = (letter: string): string => `_${letter.toLowerCase()}`;
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [key.replace(/[A-Z]/g, word), value]),
  );
}
