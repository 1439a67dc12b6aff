# Generated from schema/ by `cargo xtask codegen`; do not edit.

"""The errors of the engine: one class for each code, all of them `AtomError`."""

from __future__ import annotations

from ._error import CLASSES, AtomError

__all__ = [
    "AtomError",
    "InvalidRequestError",
    "InvalidWorkflowError",
    "InvalidDataError",
    "InvalidExpressionError",
    "NotFoundError",
    "AlreadyExistsError",
    "ConflictError",
    "PermissionDeniedError",
    "UnauthenticatedError",
    "LimitExceededError",
    "RateLimitedError",
    "TimeoutError",
    "CancelledError",
    "UnavailableError",
    "UpstreamError",
    "UnsupportedError",
    "LockedError",
    "StorageFullError",
    "StorageFailedError",
    "VersionMismatchError",
    "ClosedError",
    "ForkedError",
    "HostFailedError",
    "RunFaultedError",
    "InternalError",
]


class InvalidRequestError(AtomError):
    """The request is malformed or breaks a documented rule."""

    code = "invalid_request"


class InvalidWorkflowError(AtomError):
    """A workflow document is malformed; `context` holds `line`, `column` and `path`."""

    code = "invalid_workflow"


class InvalidDataError(AtomError):
    """Data read from outside (a mailbox, a calendar, a journal) is malformed."""

    code = "invalid_data"


class InvalidExpressionError(AtomError):
    """An expression failed to compile or to evaluate."""

    code = "invalid_expression"


class NotFoundError(AtomError):
    """The named thing does not exist for this principal."""

    code = "not_found"


class AlreadyExistsError(AtomError):
    """The thing to create exists already and differs."""

    code = "already_exists"


class ConflictError(AtomError):
    """The request clashes with the present state, e.g. a signal to a finished run."""

    code = "conflict"


class PermissionDeniedError(AtomError):
    """The principal lacks a permission, or a setting forbids the access."""

    code = "permission_denied"


class UnauthenticatedError(AtomError):
    """A credential was refused by the service."""

    code = "unauthenticated"


class LimitExceededError(AtomError):
    """A size, time or count limit was passed."""

    code = "limit_exceeded"


class RateLimitedError(AtomError):
    """The service asks to slow down."""

    code = "rate_limited"


class TimeoutError(AtomError):
    """A deadline passed before the answer came."""

    code = "timeout"


class CancelledError(AtomError):
    """The caller cancelled the operation."""

    code = "cancelled"


class UnavailableError(AtomError):
    """A service or peer cannot be reached or failed for the moment."""

    code = "unavailable"


class UpstreamError(AtomError):
    """A service answered with an error that trying again will not change."""

    code = "upstream"


class UnsupportedError(AtomError):
    """The engine does not offer this; nothing was done."""

    code = "unsupported"


class LockedError(AtomError):
    """Another engine has the data directory open."""

    code = "locked"


class StorageFullError(AtomError):
    """The disk is full; nothing already stored was lost."""

    code = "storage_full"


class StorageFailedError(AtomError):
    """The store cannot be read or written."""

    code = "storage_failed"


class VersionMismatchError(AtomError):
    """The store was written by a newer version of the engine."""

    code = "version_mismatch"


class ClosedError(AtomError):
    """The engine was closed."""

    code = "closed"


class ForkedError(AtomError):
    """The process forked after the engine was opened; open a new engine in the child."""

    code = "forked"


class HostFailedError(AtomError):
    """A function of the host application failed."""

    code = "host_failed"


class RunFaultedError(AtomError):
    """A run ended in a fault; `context` holds its error."""

    code = "run_faulted"


class InternalError(AtomError):
    """A defect of the engine. Please report it."""

    code = "internal"


CLASSES.update(
    {
        "invalid_request": InvalidRequestError,
        "invalid_workflow": InvalidWorkflowError,
        "invalid_data": InvalidDataError,
        "invalid_expression": InvalidExpressionError,
        "not_found": NotFoundError,
        "already_exists": AlreadyExistsError,
        "conflict": ConflictError,
        "permission_denied": PermissionDeniedError,
        "unauthenticated": UnauthenticatedError,
        "limit_exceeded": LimitExceededError,
        "rate_limited": RateLimitedError,
        "timeout": TimeoutError,
        "cancelled": CancelledError,
        "unavailable": UnavailableError,
        "upstream": UpstreamError,
        "unsupported": UnsupportedError,
        "locked": LockedError,
        "storage_full": StorageFullError,
        "storage_failed": StorageFailedError,
        "version_mismatch": VersionMismatchError,
        "closed": ClosedError,
        "forked": ForkedError,
        "host_failed": HostFailedError,
        "run_faulted": RunFaultedError,
        "internal": InternalError,
    }
)
