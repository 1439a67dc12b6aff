"""Takes the engine's messages in a thread and hands them to the event loops that wait for them."""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from . import _native
from ._error import AtomError
from ._host import Delivery, HostFunction, HostFunctions
from .errors import ClosedError, ForkedError

logger = logging.getLogger("atom_engine")

_BATCH = 256
_SWEEP_SECONDS = 1.0
_EXIT_SECONDS = 5.0

_open: set[Bridge] = set()


class Receiver(Protocol):
    """What waits for the messages of one call or stream."""

    loop: asyncio.AbstractEventLoop

    def receive(self, message: dict[str, Any]) -> None:
        """Takes a message, in the loop."""


class Bridge:
    """An open engine and the thread that takes its messages."""

    def __init__(self, native: _native.Bridge) -> None:
        self._native = native
        self._process = os.getpid()
        # Protects what follows; never taken in a forked child, where its holder may not exist.
        self._lock = threading.Lock()
        self._receivers: dict[int, Receiver] = {}
        self._is_closed = False
        self._is_abandoned = False
        self._next_sweep = 0.0
        self._host = HostFunctions(native)
        self._thread = threading.Thread(target=self._run, name="atom-messages", daemon=True)
        _open.add(self)
        self._thread.start()

    @classmethod
    def open(cls, config: str) -> Bridge:
        """Opens an engine; blocks until it is open."""
        try:
            return cls(_native.Bridge.open(config))
        except RuntimeError as error:
            raise _from_native(error) from None

    @property
    def is_forked(self) -> bool:
        """Whether this is a child of the process that opened the engine."""
        return os.getpid() != self._process

    def check(self, operation: str) -> None:
        """Refuses to go on in a forked child and when the engine is closed.

        Raises:
            ForkedError: The process forked after the engine was opened.
            ClosedError: The engine was closed.
        """
        if self.is_forked:
            raise ForkedError(
                "the process forked after the engine was opened; open a new engine in the child",
                operation=operation,
            )
        if self._is_closed:
            raise _closed(operation)

    def submit(self, operation: str, principal: str, request: str, receiver: Receiver) -> int:
        """Starts an operation whose messages go to the receiver, and gives its number."""
        self.check(operation)
        with self._lock:
            # Checked again: nothing is received after the thread has ended.
            self.check(operation)
            number = self._native.submit(operation, principal, request)
            self._receivers[number] = receiver
        return number

    def cancel(self, number: int) -> None:
        """Ends a call or stream early."""
        if not self.is_forked:
            self._native.cancel(number)

    def set_paused(self, number: int, is_paused: bool) -> None:
        """Holds a stream back, or lets it go on."""
        if self.is_forked:
            return
        if is_paused:
            self._native.pause(number)
        else:
            self._native.resume(number)

    def register(self, name: str, info: str, function: HostFunction, loop: asyncio.AbstractEventLoop) -> None:
        """Registers a function of the host application, served by the event loop."""
        self.check("functions.register")
        try:
            self._host.register(name, info, function, loop)
        except RuntimeError as error:
            raise _from_native(error) from None

    def unregister(self, name: str) -> bool:
        """Removes a function and tells whether there was one."""
        self.check("functions.unregister")
        return self._host.unregister(name)

    def abandon(self) -> None:
        """Lets the thread close the engine soon, without waiting for it: for finalizers."""
        self._is_abandoned = True

    def close(self, grace_ms: int) -> None:
        """Closes the engine; blocks until its data folder is free. Does nothing in a forked child."""
        if self.is_forked:
            return
        self._native.close(grace_ms)
        self._thread.join(_EXIT_SECONDS)
        _open.discard(self)

    def _run(self) -> None:
        try:
            while self._serve(self._native.poll(_BATCH, int(_SWEEP_SECONDS * 1000))):
                if self._is_abandoned:
                    self._native.close(0)
        finally:
            self._end()

    def _serve(self, messages: list[str]) -> bool:
        """Hands out messages; tells whether more will come."""
        deliveries: dict[asyncio.AbstractEventLoop, list[Callable[[], None]]] = {}
        is_open = True
        for text in messages:
            message: dict[str, Any] = json.loads(text)
            delivery: Delivery | None = None
            kind = message["type"]
            if kind == "host_call":
                delivery = self._host.begin(message)
            elif kind == "host_cancel":
                delivery = self._host.cancel(message)
            elif kind == "closed":
                is_open = False
            else:
                delivery = self._receive(message)
            if delivery is not None:
                deliveries.setdefault(delivery[0], []).append(delivery[1])
        for loop, batch in deliveries.items():
            try:
                loop.call_soon_threadsafe(_deliver, batch)
            except RuntimeError:
                # The loop is closed; what belongs to it ends in the next sweep.
                self._next_sweep = 0.0
        if time.monotonic() >= self._next_sweep:
            self._sweep()
        return is_open

    def _receive(self, message: dict[str, Any]) -> Delivery | None:
        with self._lock:
            if message["type"] == "item":
                receiver = self._receivers.get(message["id"])
            else:
                receiver = self._receivers.pop(message["id"], None)
        return None if receiver is None else (receiver.loop, partial(receiver.receive, message))

    def _sweep(self) -> None:
        """Ends what belongs to event loops that are gone."""
        self._next_sweep = time.monotonic() + _SWEEP_SECONDS
        with self._lock:
            gone = [number for number, receiver in self._receivers.items() if receiver.loop.is_closed()]
            for number in gone:
                del self._receivers[number]
        for number in gone:
            self._native.cancel(number)
        self._host.sweep()

    def _end(self) -> None:
        """Ends whatever has not heard of its end."""
        with self._lock:
            self._is_closed = True
            receivers = list(self._receivers.values())
            self._receivers.clear()
        _open.discard(self)
        error = {"code": "closed", "message": _closed("").message}
        for receiver in receivers:
            try:
                receiver.loop.call_soon_threadsafe(receiver.receive, {"type": "end", "err": error})
            except RuntimeError:
                logger.debug("an answer came after its event loop was closed")


def _deliver(batch: list[Callable[[], None]]) -> None:
    for delivery in batch:
        try:
            delivery()
        except Exception:
            # The others must not wait for ever because of one.
            logger.exception("a message of the engine was not delivered")


def _closed(operation: str) -> ClosedError:
    return ClosedError("the engine is closed; open it again", operation=operation or None)


def _from_native(error: RuntimeError) -> AtomError:
    return AtomError.from_report(json.loads(str(error)))


@atexit.register
def _close_all() -> None:
    # No thread may be on its way back from the engine when the interpreter goes: that would end in a crash.
    for bridge in list(_open):
        bridge.close(0)
