"""The engine as Python programs see it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal, TypeVar, Union

from ._bridge import Bridge
from ._connection import Caller, Connection
from ._host import HostFunction
from ._json import encode
from ._operations import Operations
from ._stream import Stream

StrPath = Union[str, "os.PathLike[str]"]
Function = TypeVar("Function", bound=HostFunction)
Result = TypeVar("Result")

_CLOSE_GRACE_MS = 5_000


class Actor(Operations):
    """The operations of an engine on behalf of one principal: `actor.runs.start(...)`."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(caller)
        self._caller = caller

    async def call(self, operation: str, request: Mapping[str, Any] | None = None) -> Any:
        """Calls an operation by name, with the request and the answer as they are in JSON.

        Cancelling the caller cancels the call.

        Raises:
            AtomError: The operation failed; the subclass and `code` tell why.
        """
        return await self._caller.call(operation, request)

    def subscribe(self, operation: str, request: Mapping[str, Any] | None = None) -> Stream[Any]:
        """Starts a stream operation by name. Errors are raised by the first step of the iteration."""
        return self._caller.subscribe(operation, request)


class Engine(Actor):
    """An open engine. Its methods may be used in any event loop of the process, in several at once.

    Close it with `close` or `async with`. After a fork only the parent goes on with it; whatever a child does with
    it raises `ForkedError`.
    """

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, close_grace_ms: int) -> None:
        super().__init__(Caller(connection, ""))
        self._connection = connection
        self._loop = loop
        self._close_grace_ms = close_grace_ms

    @classmethod
    async def open(
        cls,
        *,
        data_dir: StrPath | None = None,
        storage: str | None = None,
        runs: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        roles: Sequence[str] | None = None,
        permissions: Mapping[str, Sequence[str]] | None = None,
        file_roots: Literal["everywhere"] | Sequence[StrPath] | None = None,
        http: Mapping[str, Any] | None = None,
        processes: Mapping[str, Any] | None = None,
        resume: bool | None = None,
        retention: Mapping[str, str] | None = None,
        default_catalog: str | None = None,
        lifecycle_events: str | None = None,
        alert_interval_ms: int | None = None,
        host_call_timeout_ms: int | None = None,
        close_grace_ms: int | None = None,
    ) -> Engine:
        """Opens an engine.

        Args:
            data_dir: The folder that holds the store and its key, or on PostgreSQL the key only; one engine at a
                time has a store open. The platform's folder for application data unless given.
            storage: Where workflows, runs, events and secrets are kept: `sqlite` unless given, `memory`, or the URL
                of a PostgreSQL database, `postgres://user:password@host/database`.
            runs: What carries runs out: `embedded`, the engine itself, unless given, or the URL of a Temporal server,
                `temporal://host:port/namespace?task_queue=name`, `temporals` for TLS.
            tenant: The tenant of calls that name no principal.
            user: The user of calls that name no principal.
            roles: The roles of calls that name no principal; none means every permission.
            permissions: The permissions of roles besides the built-in `admin` and `viewer`.
            file_roots: The folders that local connectors may read and write, none unless given; or `everywhere`.
            http: What may be reached over HTTP, and how.
            processes: Which processes workflows may run, none unless given: `{"shell": True, "script": True,
                "container": True, "mcp": True}` turns all kinds on.
            resume: Whether runs that were under way when the store was last closed go on at once; yes unless
                given.
            retention: How long runs that have ended (`completed`, `failed`), `events` and `statistics` are kept, as
                ISO 8601 durations such as `P30D`; for ever unless given, but statistics for 400 days.
            host_call_timeout_ms: How long a function of this program may take to answer; 5 minutes unless given.
            default_catalog: Where functions of the catalog `default` are.
            lifecycle_events: What is told of runs by events: `none` unless given, `workflow` or `all`.
            alert_interval_ms: How often alert rules are evaluated; every minute unless given.
            close_grace_ms: How long closing waits for calls and runs to finish what they are writing; 5 seconds
                unless given.

        Raises:
            AtomError: `locked` when another engine has the folder open, `invalid_request`, `storage_failed`, …
        """
        options = {
            "data_dir": data_dir,
            "storage": storage,
            "runs": runs,
            "tenant": tenant,
            "user": user,
            "roles": roles,
            "permissions": permissions,
            "file_roots": file_roots,
            "http": http,
            "processes": processes,
            "resume": resume,
            "retention": retention,
            "default_catalog": default_catalog,
            "lifecycle_events": lifecycle_events,
            "alert_interval_ms": alert_interval_ms,
            "host_call_timeout_ms": host_call_timeout_ms,
            "close_grace_ms": close_grace_ms,
        }
        given = {name: value for name, value in options.items() if value is not None}
        config = encode(given, "engine.open")
        # The connection is made in the thread: when nobody waits for it any more, it closes the engine.
        connection = await _in_thread(lambda: Connection(Bridge.open(config)))
        grace = _CLOSE_GRACE_MS if close_grace_ms is None else close_grace_ms
        return cls(connection, asyncio.get_running_loop(), grace)

    def acting_as(self, *, tenant: str, user: str, roles: Sequence[str] = ()) -> Actor:
        """The same operations on behalf of somebody else: a user of this program."""
        principal = {"tenant": tenant, "user": user, "roles": list(roles)}
        return Actor(Caller(self._connection, encode(principal, "engine.acting_as")))

    def function(
        self,
        name: str,
        *,
        description: str = "",
        input_schema: Any = True,
        output_schema: Any = True,
        is_read_only: bool = False,
    ) -> Callable[[Function], Function]:
        """Lets workflows call a Python function as `call: <name>`; for use as a decorator.

        The function takes the arguments and a `FunctionContext` and gives anything that has a JSON form. An
        `async` function runs in the event loop in which it is registered and is cancelled when nobody waits for it
        any more; another one runs in that loop's thread pool. Context variables are those of the registration.
        What it raises becomes the error of the call, an `AtomError` with its code and anything else as
        `host_failed`.

        Args:
            name: Lower-case words joined by `_`, grouped by `.`, e.g. `greetings.make`.
            description: One sentence for people and models.
            input_schema: The JSON Schema of the arguments; `True` accepts anything.
            output_schema: The JSON Schema of the result; `True` for anything.
            is_read_only: Whether it changes nothing outside and may be called twice without harm.

        Raises:
            AtomError: `already_exists`, or `invalid_request` for a name that is none.
        """
        info = {
            "name": name,
            "description": description,
            "input_schema": input_schema,
            "output_schema": output_schema,
            "is_read_only": is_read_only,
        }

        def register(function: Function) -> Function:
            bridge = self._connection.bridge
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                loop = self._loop
            bridge.register(name, encode(info, "functions.register"), function, loop)
            return function

        return register

    def unregister_function(self, name: str) -> bool:
        """Removes a function and tells whether there was one. Calls under way go on."""
        return self._connection.bridge.unregister(name)

    async def close(self) -> None:
        """Closes the engine and waits until its data folder is free. Closing again does nothing.

        Calls under way get `close_grace_ms` to finish, then they fail with `ClosedError`. Runs go on when an engine
        opens the folder again.
        """
        bridge = self._connection.bridge
        if bridge.is_forked:
            return
        self._connection.detach()
        grace = self._close_grace_ms
        await asyncio.shield(_in_thread(lambda: bridge.close(grace)))

    async def __aenter__(self) -> Engine:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def _in_thread(function: Callable[[], Result]) -> Result:
    """Runs what blocks in a thread of its own: those of the loop may all be busy."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="atom-open-close")
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, function)
    finally:
        executor.shutdown(wait=False)
