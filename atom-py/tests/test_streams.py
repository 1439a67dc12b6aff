"""Streams of items."""

from __future__ import annotations

import asyncio
from typing import Any

import atom_engine
import pytest
from atom_engine import errors
from support import run, workflow


async def _until_idle(engine: atom_engine.Engine) -> None:
    """Waits until the engine has ended every call."""
    while engine._connection.bridge._receivers:
        await asyncio.sleep(0.005)


def test_a_stream_is_left_early_and_goes_on_from_an_offset() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            tasks = "\n".join(f"set{n}: {{ set: {{ n: {n} }} }}" for n in range(20))
            run = await engine.runs.start(document=workflow(tasks), wait=True)
            history = (await engine.runs.history(id=run["id"]))["records"]
            last = 0
            async for entry in engine.runs.events(id=run["id"]):
                last = entry["offset"]
                if last == 7:
                    break
            await _until_idle(engine)
            rest = [entry["offset"] async for entry in engine.runs.events(id=run["id"], after=last)]
            assert rest == [entry["offset"] for entry in history[7:]]

    run(main())


def test_a_stream_follows_what_happens() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            stream = engine.events.subscribe()
            for n in range(1_000):
                await engine.events.publish(event={"type": "tests.n", "data": n})
            seen = []
            async for logged in stream:
                seen.append(logged["event"].get("data"))
                if len(seen) == 1_000:
                    break
            assert seen == list(range(1_000))
            await stream.aclose()
            with pytest.raises(StopAsyncIteration):
                await stream.__anext__()

    run(main())


def test_a_slow_reader_holds_its_stream_back() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            stream = engine.events.subscribe(after=0)
            for batch in range(30):
                publish = [engine.events.publish(event={"type": "tests.n", "data": batch}) for _ in range(100)]
                await asyncio.gather(*publish)
            queue = stream._messages._queue
            while queue.qsize() <= 512:
                await asyncio.sleep(0.005)
            # It holds nothing else back, and what was on its way has arrived before these answers.
            for _ in range(100):
                await engine.engine.info()
            assert queue.qsize() < 1_000
            offsets = []
            async for logged in stream:
                offsets.append(logged["offset"])
                assert queue.qsize() < 1_000
                if len(offsets) == 3_000:
                    break
            assert offsets == list(range(1, 3_001))

    run(main())


def test_closing_a_stream_ends_whoever_waits_for_it() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            async with engine.events.subscribe() as stream:
                waiting = [asyncio.ensure_future(_next(stream)) for _ in range(3)]
                await asyncio.sleep(0)
            assert await asyncio.gather(*waiting) == ["end", "end", "end"]
            cancelled = asyncio.ensure_future(_next(engine.events.subscribe()))
            await asyncio.sleep(0)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            del cancelled
            await _until_idle(engine)

    run(main())


async def _next(stream: atom_engine.Stream[Any]) -> str:
    async for _ in stream:
        return "item"
    return "end"


def test_errors_of_a_stream_are_raised_in_its_loop() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            with pytest.raises(errors.NotFoundError):
                async for _ in engine.runs.events(id="01a1fb92-7326-7ce6-9d96-f11d2263bc69"):
                    raise AssertionError
            with pytest.raises(errors.InvalidRequestError):
                await engine.subscribe("runs.events", {"id": 1}).__anext__()
            with pytest.raises(errors.NotFoundError):
                await engine.subscribe("runs.evnts").__anext__()

    run(main())
