import type { ErrorCode, Retry } from "../generated/types.js";

/** What an error tells besides its message. */
export interface AtomErrorDetails {
  /** What went wrong; the code of the class unless given. */
  code?: ErrorCode;
  /** Whether the same call is worth trying again; the usual advice for the code unless given. */
  retry?: Retry;
  /** The operation that failed. */
  operation?: string | null | undefined;
  /** Facts that help to find the cause. */
  context?: Record<string, string>;
  /** The error that caused this one. */
  cause?: unknown;
}

/**
 * An error of the engine. Each code has a class of its own, but tell errors apart by `code`, or with `isAtomError`:
 * `instanceof` does not hold between realms, e.g. in Jest, nor between copies of this package.
 *
 * A function of the program throws one to fail with its code:
 * `throw new RateLimitedError("wait a second", { retry: { kind: "after", ms: 1000 } })`.
 */
export class AtomError extends Error {
  /** The code of the class. */
  static readonly code: ErrorCode = "internal";
  /** The usual advice for the code. */
  static readonly retry: Retry = { kind: "no" };

  /** What went wrong: stable, for programs. */
  readonly code: ErrorCode;
  /** Whether the same call is worth trying again. */
  readonly retry: Retry;
  /** The operation that failed, when known. */
  readonly operation: string | undefined;
  /** Facts that help to find the cause. */
  readonly context: Readonly<Record<string, string>>;

  constructor(message = "", details: AtomErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    // Not a field, which would show whenever the error is printed.
    Object.defineProperty(this, "name", { value: new.target.name, configurable: true, writable: true });
    this.code = details.code ?? new.target.code;
    this.retry = details.retry ?? new.target.retry;
    this.operation = details.operation ?? undefined;
    this.context = { ...details.context };
  }

  /** Whether the same call may succeed when it is tried again. */
  get isRetryable(): boolean {
    return this.retry.kind === "maybe" || this.retry.kind === "after";
  }
}
