"""Fork, the exit of the interpreter, and memory over many calls."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support import run_script

PRELUDE = """
import asyncio, gc, os, resource, sys, threading, time
import atom_engine
from atom_engine import errors

DOCUMENT = '''
document: { dsl: 1.0.3, namespace: tests, name: call, version: 1.0.0 }
do:
  - work: { call: tests.work, with: { value: 1 } }
'''

async def never(arguments, context):
    await asyncio.Event().wait()

"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


@needs_fork
def test_a_forked_child_fails_fast_and_the_parent_goes_on() -> None:
    script = PRELUDE + """
engine = asyncio.run(atom_engine.open(storage="memory"))

async def refused(engine):
    for use in (
        lambda: engine.engine.info(),
        lambda: engine.runs.events(id="x").__anext__(),
        lambda: engine.acting_as(tenant="a", user="b").runs.list(),
    ):
        try:
            await use()
        except errors.ForkedError:
            continue
        return False
    try:
        engine.function("tests.x")(never)
    except errors.ForkedError:
        await engine.close()
        return True
    return False

async def fresh():
    async with await atom_engine.open(storage="memory") as engine:
        return (await engine.engine.health())["status"] == "ok"

# Other threads keep the locks of the engine busy while the process forks.
stop = threading.Event()
async def busy():
    while not stop.is_set():
        await engine.engine.info()
threads = [threading.Thread(target=lambda: asyncio.run(busy())) for _ in range(2)]
for thread in threads: thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        fine = asyncio.run(refused(engine)) and asyncio.run(fresh())
        # The ordinary way out, with everything that runs at exit.
        sys.exit(0 if fine else 3)
    assert os.waitpid(child, 0)[1] == 0
    assert asyncio.run(engine.engine.health())["status"] == "ok"
stop.set()
for thread in threads: thread.join()
asyncio.run(engine.close())
"""
    done = run_script(script)
    assert (done.returncode, done.stderr) == (0, "")


@needs_fork
def test_workers_of_multiprocessing_fail_fast() -> None:
    script = PRELUDE + """
import multiprocessing

engine = asyncio.run(atom_engine.open(storage="memory"))

def work(number):
    try:
        asyncio.run(engine.engine.info())
    except errors.AtomError as error:
        return error

with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(work, range(8))
assert [type(error) for error in found] == [errors.ForkedError] * 8, found
assert asyncio.run(engine.engine.health())["status"] == "ok"
"""
    done = run_script(script)
    assert (done.returncode, done.stderr) == (0, "")


EXITS = {
    "an engine that was never closed": """
engine = asyncio.run(atom_engine.open(data_dir=sys.argv[1]))
""",
    "a call, a stream and a run under way": """
async def main():
    global engine, kept
    engine = await atom_engine.open(data_dir=sys.argv[1])
    began = asyncio.Event()
    @engine.function("tests.work")
    async def work(arguments, context):
        began.set()
        await asyncio.Event().wait()
    run = await engine.runs.start(document=DOCUMENT)
    kept = [engine.events.subscribe(), engine.runs.events(id=run["id"])]
    kept.append(asyncio.ensure_future(engine.runs.get(id=run["id"], wait=True)))
    await began.wait()
asyncio.run(main())
""",
    "sys.exit within the loop": """
async def main():
    global engine
    engine = await atom_engine.open(data_dir=sys.argv[1])
    engine.function("tests.work")(never)
    asyncio.ensure_future(engine.runs.start(document=DOCUMENT, wait=True))
    await engine.engine.info()
    sys.exit(0)
asyncio.run(main())
""",
    "a thread that calls without end": """
engine = asyncio.run(atom_engine.open(data_dir=sys.argv[1]))
began = threading.Event()
async def busy():
    while True:
        try:
            await engine.engine.info()
        except errors.ClosedError:
            return
        began.set()
threading.Thread(target=lambda: asyncio.run(busy()), daemon=True).start()
began.wait()
""",
}


@pytest.mark.parametrize("name", EXITS)
def test_the_interpreter_exits_with(name: str, tmp_path: Path) -> None:
    for _ in range(3):
        done = run_script(PRELUDE + EXITS[name], str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
    # Nothing is left locked or broken.
    reopen = "import asyncio, sys, atom_engine\nasyncio.run(atom_engine.open(data_dir=sys.argv[1], resume=False))"
    done = run_script(reopen, str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


def test_memory_does_not_grow_with_the_number_of_calls() -> None:
    script = PRELUDE + """
def memory():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def main():
    async with await atom_engine.open(storage="memory") as engine:
        @engine.function("tests.work")
        async def work(arguments, context):
            return arguments

        async def some(count):
            for _ in range(count // 100):
                await asyncio.gather(*(engine.engine.info() for _ in range(60)))
                calls = (engine.functions.call(name="tests.work", arguments={"x": "y" * 1000}) for _ in range(30))
                await asyncio.gather(*calls)
                for _ in range(10):
                    try:
                        await engine.runs.get(id="x")
                    except errors.InvalidRequestError:
                        pass
            for _ in range(count // 100):
                engine.events.subscribe()

        await some(2_000)
        gc.collect()
        before, objects = memory(), len(gc.get_objects())
        await some(10_000)
        bridge = engine._connection.bridge
        while bridge._receivers:
            await asyncio.sleep(0.01)
        assert not bridge._host._calls
        gc.collect()
        print((memory() - before) // 1024, len(gc.get_objects()) - objects)

asyncio.run(main())
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("the size of the process is read from /proc")
    done = run_script(script)
    assert (done.returncode, done.stderr) == (0, "")
    kibibytes, objects = map(int, done.stdout.split())
    assert kibibytes < 8 * 1024
    assert objects < 1_000


def test_other_threads_run_while_the_engine_is_waited_for() -> None:
    script = PRELUDE + """
engine = asyncio.run(atom_engine.open(storage="memory"))
bridge = engine._connection.bridge._native
turns = 0
def turn():
    global turns
    while not stop.is_set():
        turns += 1
        time.sleep(0)
stop = threading.Event()
thread = threading.Thread(target=turn)
thread.start()
for _ in range(3):
    # The number that is asked for has no message: this waits for as long as it is told to.
    before = turns
    bridge.poll(0, 50)
    assert turns > before
stop.set()
thread.join()
"""
    done = run_script(script)
    assert (done.returncode, done.stderr) == (0, "")
