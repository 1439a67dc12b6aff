"""The items of a stream operation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ._error import AtomError

if TYPE_CHECKING:
    from ._bridge import Bridge
    from ._connection import Connection

Item = TypeVar("Item")

_PAUSE_ABOVE = 512
_RESUME_BELOW = 128


class _Messages:
    """The messages of a stream that nobody has read yet. A slow reader holds the stream back."""

    def __init__(self, bridge: Bridge, operation: str, principal: str, request: str) -> None:
        self.loop = asyncio.get_running_loop()
        self._bridge = bridge
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._is_paused = False
        self._number = bridge.submit(operation, principal, request, self)

    def receive(self, message: dict[str, Any]) -> None:
        self._queue.put_nowait(message)
        if not self._is_paused and self._queue.qsize() > _PAUSE_ABOVE:
            self._set_paused(True)

    async def next(self) -> dict[str, Any]:
        message = await self._queue.get()
        if self._is_paused and self._queue.qsize() < _RESUME_BELOW:
            self._set_paused(False)
        return message

    def end(self) -> None:
        """Lets whoever waits hear of the end."""
        self._queue.put_nowait({"type": "end"})

    def cancel(self) -> None:
        self._bridge.cancel(self._number)

    def _set_paused(self, is_paused: bool) -> None:
        self._is_paused = is_paused
        self._bridge.set_paused(self._number, is_paused)


class Stream(AsyncIterator[Item], Generic[Item]):
    """The items of a stream operation, for `async for`.

    It ends when the operation does, when it is closed and when nothing refers to it any more; leaving a loop
    early is enough. A stream belongs to the event loop in which it was started.
    """

    def __init__(self, connection: Connection, operation: str, principal: str, request: str) -> None:
        self._is_ended = True
        # Keeps the engine open as long as the stream is in use.
        self._connection = connection
        self._operation = operation
        self._messages = _Messages(connection.bridge, operation, principal, request)
        self._is_ended = False

    def __aiter__(self) -> Stream[Item]:
        return self

    async def __anext__(self) -> Item:
        if self._is_ended:
            raise StopAsyncIteration
        if self._connection.bridge.is_forked:
            self._connection.bridge.check(self._operation)
        message = await self._messages.next()
        if message["type"] == "item":
            return cast(Item, message["item"])
        self._is_ended = True
        self._messages.end()
        if message.get("err") is not None:
            raise AtomError.from_report(message["err"])
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Ends the stream. Items that were not taken are lost; most streams go on from any offset."""
        self._cancel()
        self._messages.end()

    async def __aenter__(self) -> Stream[Item]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._cancel()

    def _cancel(self) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._messages.cancel()
