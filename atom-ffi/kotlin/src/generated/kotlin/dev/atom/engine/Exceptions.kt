// Generated from schema/ by `cargo xtask codegen`; do not edit.

package dev.atom.engine

/** The request is malformed or breaks a documented rule. */
class InvalidRequestException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.INVALID_REQUEST, message = message))
}

/** A workflow document is malformed; `context` holds `line`, `column` and `path`. */
class InvalidWorkflowException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.INVALID_WORKFLOW, message = message))
}

/** Data read from outside (a mailbox, a calendar, a journal) is malformed. */
class InvalidDataException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.INVALID_DATA, message = message))
}

/** An expression failed to compile or to evaluate. */
class InvalidExpressionException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.INVALID_EXPRESSION, message = message))
}

/** The named thing does not exist for this principal. */
class NotFoundException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.NOT_FOUND, message = message))
}

/** The thing to create exists already and differs. */
class AlreadyExistsException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.ALREADY_EXISTS, message = message))
}

/** The request clashes with the present state, e.g. a signal to a finished run. */
class ConflictException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.CONFLICT, message = message))
}

/** The principal lacks a permission, or a setting forbids the access. */
class PermissionDeniedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.PERMISSION_DENIED, message = message))
}

/** A credential was refused by the service. */
class UnauthenticatedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.UNAUTHENTICATED, message = message))
}

/** A size, time or count limit was passed. */
class LimitExceededException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.LIMIT_EXCEEDED, message = message))
}

/** The service asks to slow down. */
class RateLimitedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.RATE_LIMITED, message = message))
}

/** A deadline passed before the answer came. */
class TimeoutException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.TIMEOUT, message = message))
}

/** The caller cancelled the operation. */
class CancelledException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.CANCELLED, message = message))
}

/** A service or peer cannot be reached or failed for the moment. */
class UnavailableException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.UNAVAILABLE, message = message))
}

/** A service answered with an error that trying again will not change. */
class UpstreamException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.UPSTREAM, message = message))
}

/** The engine does not offer this; nothing was done. */
class UnsupportedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.UNSUPPORTED, message = message))
}

/** Another engine has the data directory open. */
class LockedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.LOCKED, message = message))
}

/** The disk is full; nothing already stored was lost. */
class StorageFullException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.STORAGE_FULL, message = message))
}

/** The store cannot be read or written. */
class StorageFailedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.STORAGE_FAILED, message = message))
}

/** The store was written by a newer version of the engine. */
class VersionMismatchException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.VERSION_MISMATCH, message = message))
}

/** The engine was closed. */
class ClosedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.CLOSED, message = message))
}

/** The process forked after the engine was opened; open a new engine in the child. */
class ForkedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.FORKED, message = message))
}

/** A function of the host application failed. */
class HostFailedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.HOST_FAILED, message = message))
}

/** A run ended in a fault; `context` holds its error. */
class RunFaultedException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.RUN_FAULTED, message = message))
}

/** A defect of the engine. Please report it. */
class InternalException(report: ErrorReport) : AtomException(report) {
    /** An error of this kind with nothing but a message, for functions of the application to throw. */
    constructor(message: String) : this(ErrorReport(code = ErrorCode.INTERNAL, message = message))
}

internal fun exceptionOf(report: ErrorReport): AtomException = when (report.code) {
    ErrorCode.INVALID_REQUEST -> InvalidRequestException(report)
    ErrorCode.INVALID_WORKFLOW -> InvalidWorkflowException(report)
    ErrorCode.INVALID_DATA -> InvalidDataException(report)
    ErrorCode.INVALID_EXPRESSION -> InvalidExpressionException(report)
    ErrorCode.NOT_FOUND -> NotFoundException(report)
    ErrorCode.ALREADY_EXISTS -> AlreadyExistsException(report)
    ErrorCode.CONFLICT -> ConflictException(report)
    ErrorCode.PERMISSION_DENIED -> PermissionDeniedException(report)
    ErrorCode.UNAUTHENTICATED -> UnauthenticatedException(report)
    ErrorCode.LIMIT_EXCEEDED -> LimitExceededException(report)
    ErrorCode.RATE_LIMITED -> RateLimitedException(report)
    ErrorCode.TIMEOUT -> TimeoutException(report)
    ErrorCode.CANCELLED -> CancelledException(report)
    ErrorCode.UNAVAILABLE -> UnavailableException(report)
    ErrorCode.UPSTREAM -> UpstreamException(report)
    ErrorCode.UNSUPPORTED -> UnsupportedException(report)
    ErrorCode.LOCKED -> LockedException(report)
    ErrorCode.STORAGE_FULL -> StorageFullException(report)
    ErrorCode.STORAGE_FAILED -> StorageFailedException(report)
    ErrorCode.VERSION_MISMATCH -> VersionMismatchException(report)
    ErrorCode.CLOSED -> ClosedException(report)
    ErrorCode.FORKED -> ForkedException(report)
    ErrorCode.HOST_FAILED -> HostFailedException(report)
    ErrorCode.RUN_FAULTED -> RunFaultedException(report)
    ErrorCode.INTERNAL -> InternalException(report)
}
