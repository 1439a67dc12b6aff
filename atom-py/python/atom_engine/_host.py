"""Runs the functions of the host application that workflows call."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ._error import describe
from ._native import Bridge as NativeBridge

logger = logging.getLogger("atom_engine")


def _refusal(code: str, message: str) -> str:
    return json.dumps({"err": {"code": code, "message": message}})


_CANCELLED = _refusal("cancelled", "the function was cancelled")
_GONE = _refusal(
    "host_failed", "the event loop that registered the function has ended; register it in a running one"
)


@dataclass(frozen=True)
class FunctionContext:
    """What a function of the host application is told besides its arguments."""

    tenant: str
    """The tenant on whose behalf it is called."""

    user: str
    """The user on whose behalf it is called."""

    roles: tuple[str, ...]
    """The user's roles."""

    idempotency_key: str
    """The same for every repetition of this call after a crash, and different for every other call."""

    deadline: str
    """When the caller stops waiting, in RFC 3339."""

    run: str | None = None
    """The run that calls; `None` for a direct call."""

    task: str | None = None
    """The JSON pointer of the calling task in its document; `None` for a direct call."""

    directory: str | None = None
    """Where relative file paths start."""


HostFunction = Callable[[Any, FunctionContext], Any]
"""A function of the host application, `async` or not: takes the arguments and the context, gives any JSON."""

Delivery = tuple[asyncio.AbstractEventLoop, Callable[[], None]]
"""What to call in which event loop."""


@dataclass(frozen=True)
class _Registered:
    function: HostFunction
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    context: contextvars.Context

    @property
    def is_gone(self) -> bool:
        """Whether nothing will run in the loop any more."""
        return self.loop.is_closed() or not (self.loop.is_running() or self.thread.is_alive())


@dataclass
class _Call:
    registered: _Registered
    task: asyncio.Task[None] | None = None


class HostFunctions:
    """The functions of the host application, each served by the event loop that registered it.

    Registering happens in any thread, `begin`, `cancel` and `sweep` in the thread that takes the messages, and
    the functions run in their loops. Every call is replied to once it was begun, whatever becomes of its loop.
    """

    def __init__(self, native: NativeBridge) -> None:
        self._native = native
        self._lock = threading.Lock()
        self._functions: dict[str, _Registered] = {}
        self._calls: dict[int, _Call] = {}

    def register(self, name: str, info: str, function: HostFunction, loop: asyncio.AbstractEventLoop) -> None:
        """Registers what carries out the calls of a name, with the context variables of the caller."""
        registered = _Registered(function, loop, threading.current_thread(), contextvars.copy_context())
        # A run may wait for the function and call it at once: its call is looked up after this.
        with self._lock:
            self._native.register_function(info)
            self._functions[name] = registered

    def unregister(self, name: str) -> bool:
        """Removes a function and tells whether there was one. Calls under way go on."""
        with self._lock:
            self._functions.pop(name, None)
            return self._native.unregister_function(name)

    def begin(self, message: dict[str, Any]) -> Delivery | None:
        """Begins the call of a `host_call` message."""
        number: int = message["call"]
        with self._lock:
            registered = self._functions.get(message["function"])
        if registered is None or registered.is_gone:
            self._reply_gone(number)
            return None
        call = self._calls[number] = _Call(registered)
        return registered.loop, lambda: self._start(number, call, message)

    def cancel(self, message: dict[str, Any]) -> Delivery | None:
        """Cancels the task of a call that nobody waits for any more."""
        call = self._calls.get(message["call"])
        if call is None:
            return None

        def cancel(call: _Call = call) -> None:
            if call.task is not None:
                call.task.cancel()

        return call.registered.loop, cancel

    def sweep(self) -> None:
        """Replies to calls whose event loop is gone."""
        for number, call in list(self._calls.items()):
            if call.registered.is_gone and self._calls.pop(number, None) is not None:
                self._reply_gone(number)
                if call.task is not None:
                    # Its loop ended without it, and the caller has been told: nothing is left to warn about.
                    call.task._log_destroy_pending = False  # type: ignore[attr-defined]

    def _start(self, number: int, call: _Call, message: dict[str, Any]) -> None:
        registered = call.registered
        answer = self._answer(number, registered.function, message)
        # A task keeps a copy of the context in which it is created.
        call.task = registered.context.run(registered.loop.create_task, answer)

    async def _answer(self, number: int, function: HostFunction, message: dict[str, Any]) -> None:
        text = _CANCELLED
        try:
            context = FunctionContext(**{**message["context"], "roles": tuple(message["context"]["roles"])})
            result = await _run(function, message["arguments"], context)
            text = json.dumps({"ok": result}, allow_nan=False)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            logger.debug("the function %s failed", message["function"], exc_info=error)
            text = json.dumps({"err": describe(error)}, default=str)
            if not isinstance(error, Exception):
                raise
        finally:
            self._calls.pop(number, None)
            self._native.reply(number, text)

    def _reply_gone(self, number: int) -> None:
        self._native.reply(number, _GONE)


async def _run(function: HostFunction, arguments: Any, context: FunctionContext) -> Any:
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return await function(arguments, context)
    result = await asyncio.to_thread(function, arguments, context)
    if isinstance(result, Awaitable):
        return await result
    return result
