"""The error that every operation raises, and how it travels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CLASSES: dict[str, type[AtomError]] = {}
"""The class for each code; `errors` fills it."""


class AtomError(Exception):
    """An error of the engine. Each code has a subclass of its own in `atom_engine.errors`.

    A function of the host application raises one to fail with its code:
    `raise RateLimitedError("wait a second", retry={"kind": "after", "ms": 1000})`.
    """

    code: str = "internal"
    """What went wrong: stable, for programs."""

    message: str
    """What happened and what to do next, for people."""

    retry: Mapping[str, Any]
    """Whether the same call is worth trying again: `{"kind": "no" | "maybe" | "after" | "exhausted"}`, with the
    milliseconds to wait as `ms` for `after`."""

    operation: str | None
    """The operation that failed, when known."""

    context: Mapping[str, str]
    """Facts that help to find the cause."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        retry: Mapping[str, Any] | None = None,
        operation: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.message = message
        self.retry = dict(retry) if retry is not None else {"kind": "no"}
        self.operation = operation
        self.context = dict(context) if context is not None else {}

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed when it is tried again."""
        return self.retry.get("kind") in ("maybe", "after")

    def __str__(self) -> str:
        facts = "".join(f", {key}={value}" for key, value in self.context.items())
        operation = f"{self.operation}: " if self.operation else ""
        return f"{operation}{self.message} ({self.code}{facts})"

    @staticmethod
    def from_report(report: Mapping[str, Any]) -> AtomError:
        """The exception for an error as it is in JSON, with the errors that caused it as `__cause__`."""
        code = report["code"]
        error = CLASSES.get(code, AtomError)(
            report["message"],
            code=code,
            retry=report.get("retry"),
            operation=report.get("operation"),
            context=report.get("context"),
        )
        below: BaseException = error
        for message in report.get("cause") or ():
            below.__cause__ = EngineCause(message)
            below = below.__cause__
        return error


class EngineCause(Exception):
    """An error within the engine that caused an `AtomError`."""


def describe(error: BaseException) -> dict[str, Any]:
    """An exception of the host application as the engine takes it."""
    causes: list[str] = []
    below = error.__cause__
    while below is not None and len(causes) < 16:
        causes.append(_name(below))
        below = below.__cause__
    if not isinstance(error, AtomError):
        return {"code": "host_failed", "message": _name(error), "cause": causes}
    return {
        "code": error.code,
        "message": error.message,
        "retry": error.retry,
        "operation": error.operation,
        "context": error.context,
        "cause": causes,
    }


def _name(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:
        # What an exception says of itself may fail, too.
        text = ""
    return f"{name}: {text}" if text else name
