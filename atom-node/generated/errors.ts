// Generated from schema/ by `cargo xtask codegen`; do not edit.

import { AtomError } from "../ts/errors.js";
import type { Retry } from "./types.js";

/** The request is malformed or breaks a documented rule. */
export class InvalidRequestError extends AtomError {
  static override readonly code = "invalid_request";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "invalid_request";
}

/** A workflow document is malformed; `context` holds `line`, `column` and `path`. */
export class InvalidWorkflowError extends AtomError {
  static override readonly code = "invalid_workflow";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "invalid_workflow";
}

/** Data read from outside (a mailbox, a calendar, a journal) is malformed. */
export class InvalidDataError extends AtomError {
  static override readonly code = "invalid_data";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "invalid_data";
}

/** An expression failed to compile or to evaluate. */
export class InvalidExpressionError extends AtomError {
  static override readonly code = "invalid_expression";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "invalid_expression";
}

/** The named thing does not exist for this principal. */
export class NotFoundError extends AtomError {
  static override readonly code = "not_found";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "not_found";
}

/** The thing to create exists already and differs. */
export class AlreadyExistsError extends AtomError {
  static override readonly code = "already_exists";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "already_exists";
}

/** The request clashes with the present state, e.g. a signal to a finished run. */
export class ConflictError extends AtomError {
  static override readonly code = "conflict";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "conflict";
}

/** The principal lacks a permission, or a setting forbids the access. */
export class PermissionDeniedError extends AtomError {
  static override readonly code = "permission_denied";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "permission_denied";
}

/** A credential was refused by the service. */
export class UnauthenticatedError extends AtomError {
  static override readonly code = "unauthenticated";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "unauthenticated";
}

/** A size, time or count limit was passed. */
export class LimitExceededError extends AtomError {
  static override readonly code = "limit_exceeded";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "limit_exceeded";
}

/** The service asks to slow down. */
export class RateLimitedError extends AtomError {
  static override readonly code = "rate_limited";
  static override readonly retry: Retry = {"kind":"maybe"};
  declare readonly code: "rate_limited";
}

/** A deadline passed before the answer came. */
export class TimeoutError extends AtomError {
  static override readonly code = "timeout";
  static override readonly retry: Retry = {"kind":"maybe"};
  declare readonly code: "timeout";
}

/** The caller cancelled the operation. */
export class CancelledError extends AtomError {
  static override readonly code = "cancelled";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "cancelled";
}

/** A service or peer cannot be reached or failed for the moment. */
export class UnavailableError extends AtomError {
  static override readonly code = "unavailable";
  static override readonly retry: Retry = {"kind":"maybe"};
  declare readonly code: "unavailable";
}

/** A service answered with an error that trying again will not change. */
export class UpstreamError extends AtomError {
  static override readonly code = "upstream";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "upstream";
}

/** The engine does not offer this; nothing was done. */
export class UnsupportedError extends AtomError {
  static override readonly code = "unsupported";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "unsupported";
}

/** Another engine has the data directory open. */
export class LockedError extends AtomError {
  static override readonly code = "locked";
  static override readonly retry: Retry = {"kind":"maybe"};
  declare readonly code: "locked";
}

/** The disk is full; nothing already stored was lost. */
export class StorageFullError extends AtomError {
  static override readonly code = "storage_full";
  static override readonly retry: Retry = {"kind":"maybe"};
  declare readonly code: "storage_full";
}

/** The store cannot be read or written. */
export class StorageFailedError extends AtomError {
  static override readonly code = "storage_failed";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "storage_failed";
}

/** The store was written by a newer version of the engine. */
export class VersionMismatchError extends AtomError {
  static override readonly code = "version_mismatch";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "version_mismatch";
}

/** The engine was closed. */
export class ClosedError extends AtomError {
  static override readonly code = "closed";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "closed";
}

/** The process forked after the engine was opened; open a new engine in the child. */
export class ForkedError extends AtomError {
  static override readonly code = "forked";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "forked";
}

/** A function of the host application failed. */
export class HostFailedError extends AtomError {
  static override readonly code = "host_failed";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "host_failed";
}

/** A run ended in a fault; `context` holds its error. */
export class RunFaultedError extends AtomError {
  static override readonly code = "run_faulted";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "run_faulted";
}

/** A defect of the engine. Please report it. */
export class InternalError extends AtomError {
  static override readonly code = "internal";
  static override readonly retry: Retry = {"kind":"no"};
  declare readonly code: "internal";
}

/** @internal The class of each code. */
export const CLASSES = {
  invalid_request: InvalidRequestError,
  invalid_workflow: InvalidWorkflowError,
  invalid_data: InvalidDataError,
  invalid_expression: InvalidExpressionError,
  not_found: NotFoundError,
  already_exists: AlreadyExistsError,
  conflict: ConflictError,
  permission_denied: PermissionDeniedError,
  unauthenticated: UnauthenticatedError,
  limit_exceeded: LimitExceededError,
  rate_limited: RateLimitedError,
  timeout: TimeoutError,
  cancelled: CancelledError,
  unavailable: UnavailableError,
  upstream: UpstreamError,
  unsupported: UnsupportedError,
  locked: LockedError,
  storage_full: StorageFullError,
  storage_failed: StorageFailedError,
  version_mismatch: VersionMismatchError,
  closed: ClosedError,
  forked: ForkedError,
  host_failed: HostFailedError,
  run_faulted: RunFaultedError,
  internal: InternalError,
} as const;
