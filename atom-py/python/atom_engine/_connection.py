"""Calls operations of an open engine."""

from __future__ import annotations

import asyncio
import warnings
import weakref
from collections.abc import Mapping
from typing import Any

from ._bridge import Bridge
from ._error import AtomError
from ._json import encode
from ._operations import KINDS
from ._stream import Stream
from .errors import InvalidRequestError


class Connection:
    """Whoever uses an engine holds this; when nobody does any more, the engine is closed."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self._finalizer = weakref.finalize(self, _abandon, bridge)
        # Closing at the exit of the interpreter is another matter.
        self._finalizer.atexit = False

    def detach(self) -> None:
        """Says that the engine is being closed."""
        self._finalizer.detach()


def _abandon(bridge: Bridge) -> None:
    if not bridge.is_forked:
        bridge.abandon()
        warnings.warn("an engine was not closed; use 'async with' or 'close'", ResourceWarning, stacklevel=2)


class _Answer:
    """What waits for the answer of a call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()

    def receive(self, message: dict[str, Any]) -> None:
        if self.future.done():
            return
        if "err" in message:
            self.future.set_exception(AtomError.from_report(message["err"]))
        else:
            self.future.set_result(message["ok"])


class Caller:
    """Calls operations as one principal."""

    def __init__(self, connection: Connection, principal: str) -> None:
        self.connection = connection
        self._principal = principal

    async def call(self, operation: str, request: Mapping[str, Any] | None) -> Any:
        """Calls an operation that has one answer. Cancelling the caller cancels the call."""
        if KINDS.get(operation) == "stream":
            raise InvalidRequestError("this operation has many answers; subscribe to it", operation=operation)
        text = encode({} if request is None else request, operation)
        answer = _Answer(asyncio.get_running_loop())
        bridge = self.connection.bridge
        number = bridge.submit(operation, self._principal, text, answer)
        try:
            return await answer.future
        except asyncio.CancelledError:
            bridge.cancel(number)
            raise

    def subscribe(self, operation: str, request: Mapping[str, Any] | None) -> Stream[Any]:
        """Starts an operation that has many answers."""
        if KINDS.get(operation) == "call":
            raise InvalidRequestError("this operation has one answer; call it", operation=operation)
        text = encode({} if request is None else request, operation)
        return Stream(self.connection, operation, self._principal, text)
