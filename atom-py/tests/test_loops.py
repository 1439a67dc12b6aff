"""Several event loops, in one thread after the other and in several at once."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import atom_engine
import pytest
from atom_engine import Engine, FunctionContext, errors
from support import calling, run


def test_an_engine_outlives_the_loop_that_opened_it() -> None:
    engine = run(atom_engine.open(storage="memory"))
    assert run(engine.engine.health())["status"] == "ok"

    async def in_another() -> Any:
        @engine.function("tests.here")
        async def here(arguments: Any, context: FunctionContext) -> str:
            return threading.current_thread().name

        return (await engine.runs.start(document=calling("tests.here"), wait=True))["output"]

    assert run(in_another()) == threading.current_thread().name
    with pytest.raises(errors.HostFailedError, match="event loop"):
        run(engine.functions.call(name="tests.here"))
    run(engine.close())


def test_loops_of_several_threads_use_one_engine_at_once() -> None:
    engine = run(atom_engine.open(storage="memory"))
    barrier = threading.Barrier(4)

    def work(number: int) -> int:
        async def main() -> int:
            @engine.function(f"tests.worker_{number}")
            async def worker(arguments: Any, context: FunctionContext) -> Any:
                return [number, threading.get_ident()]

            barrier.wait(20)
            right = 0
            for _ in range(20):
                # Each calls the function of the next thread.
                name = f"tests.worker_{(number + 1) % 4}"
                calls = [engine.functions.call(name=name) for _ in range(5)]
                for answer in await asyncio.gather(*calls):
                    right += answer["output"][0] == (number + 1) % 4
                    assert answer["output"][1] != threading.get_ident()
            # The others may still call this one's function.
            await asyncio.to_thread(barrier.wait, 20)
            return right

        return run(main())

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [100] * 4
    run(engine.close())


def test_a_function_is_registered_outside_of_a_loop() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            await asyncio.to_thread(_register, engine)
            assert (await engine.functions.call(name="tests.fallback"))["output"] == threading.current_thread().name

    run(main())


def _register(engine: Engine) -> None:
    @engine.function("tests.fallback")
    async def fallback(arguments: Any, context: FunctionContext) -> str:
        return threading.current_thread().name


def test_what_a_loop_leaves_behind_is_ended(tmp_path: Path) -> None:
    engine = run(atom_engine.open(storage="memory"))
    began = threading.Event()

    async def leave_behind() -> None:
        @engine.function("tests.left")
        async def left(arguments: Any, context: FunctionContext) -> None:
            began.set()
            await asyncio.Event().wait()

        keep.append(engine.events.subscribe())
        keep.append(asyncio.ensure_future(engine.functions.call(name="tests.left")))
        await asyncio.to_thread(began.wait, 20)

    keep: list[Any] = []
    run(leave_behind())

    async def until_ended() -> None:
        while engine._connection.bridge._receivers or engine._connection.bridge._host._calls:
            await asyncio.sleep(0.02)
        await engine.close()

    run(until_ended())


def test_a_function_whose_loop_ends_fails() -> None:
    engine = run(atom_engine.open(storage="memory"))
    began = threading.Event()

    def serve() -> None:
        async def main() -> None:
            @engine.function("tests.short_lived")
            async def short_lived(arguments: Any, context: FunctionContext) -> None:
                began.set()
                await asyncio.Event().wait()

            await asyncio.to_thread(began.wait, 20)

        asyncio.run(main())

    thread = threading.Thread(target=serve)
    thread.start()

    async def call() -> None:
        while True:
            try:
                await engine.functions.call(name="tests.short_lived")
            except errors.NotFoundError:
                await asyncio.sleep(0.01)

    with pytest.raises((errors.CancelledError, errors.HostFailedError)):
        run(call())
    thread.join()
    run(engine.close())
