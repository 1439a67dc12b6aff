"""The cost of one call from Python: engine.info, awaited one after the other and a hundred at a time."""

import asyncio
import statistics
import time

import atom_engine

CALLS = 2_000
ROUNDS = 5


async def main() -> None:
    async with await atom_engine.open(storage="memory") as engine:
        await engine.engine.info()
        one, many = [], []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for _ in range(CALLS):
                await engine.engine.info()
            one.append((time.perf_counter() - started) / CALLS * 1e6)
            started = time.perf_counter()
            for _ in range(CALLS // 100):
                await asyncio.gather(*(engine.engine.info() for _ in range(100)))
            many.append((time.perf_counter() - started) / CALLS * 1e6)
        print(f"{'python, engine.info, one at a time':<52} {statistics.median(one):>10.2f} us")
        print(f"{'python, engine.info, 100 at a time':<52} {statistics.median(many):>10.2f} us")


asyncio.run(main())
