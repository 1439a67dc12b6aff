"""The items of a stream operation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from ._error import AtomError

Item = TypeVar("Item")


class _Messages:
    """The messages of a stream that its event loop has not taken yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def receive(self, message: dict[str, Any]) -> None:
        self.queue.put_nowait(message)


class Stream(AsyncIterator[Item], Generic[Item]):
    """The items of a stream operation, for `async for`.

    It ends when the operation does, when it is closed and when nothing refers to it any more; leaving a loop
    early is enough. A stream belongs to the event loop in which it was started.
    """

    def __init__(self, connection: Any, operation: str, principal: str, request: str) -> None:
        self._is_ended = True
        # Keeps the engine open as long as the stream is in use.
        self._connection = connection
        self._operation = operation
        self._messages = _Messages(asyncio.get_running_loop())
        self._number: int = connection.bridge.submit(operation, principal, request, self._messages)
        self._is_ended = False

    def __aiter__(self) -> Stream[Item]:
        return self

    async def __anext__(self) -> Item:
        if self._is_ended:
            raise StopAsyncIteration
        if self._connection.bridge.is_forked:
            self._connection.bridge.check(self._operation)
        message = await self._messages.queue.get()
        if message["type"] == "item":
            return cast(Item, message["item"])
        self._is_ended = True
        # Whoever else waits hears of the end, too.
        self._messages.queue.put_nowait({"type": "end"})
        if message.get("err") is not None:
            raise AtomError.from_report(message["err"])
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Ends the stream. Items that were not taken are lost; most streams go on from any offset."""
        self._cancel()
        self._messages.queue.put_nowait({"type": "end"})

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
            self._connection.bridge.cancel(self._number)
