"""Functions of the program, called by workflows."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import atom_engine
import pytest
from atom_engine import FunctionContext, errors
from support import calling, run

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


def test_functions_of_both_kinds_answer_runs() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            seen: list[FunctionContext] = []
            threads: list[threading.Thread] = []

            @engine.function("tests.later", description="Waits.", input_schema={"type": "object"})
            async def later(arguments: Any, context: FunctionContext) -> Any:
                await asyncio.sleep(0)
                seen.append(context)
                return {"got": arguments["value"]}

            @engine.function("tests.now", is_read_only=True)
            def now(arguments: Any, context: FunctionContext) -> Any:
                threads.append(threading.current_thread())
                return [arguments["value"], user.get()]

            run = await engine.runs.start(document=calling("tests.later"), input="ä\u0000😀", wait=True)
            assert run["output"] == {"got": "ä\u0000😀"}
            assert seen[0].run == run["id"]
            assert seen[0].task == "/do/0/work"
            assert (seen[0].tenant, seen[0].user, seen[0].roles) == ("default", "default", ())
            assert seen[0].idempotency_key and seen[0].deadline

            run = await engine.runs.start(document=calling("tests.now"), input=1, wait=True)
            assert run["output"] == [1, "nobody"]
            assert threads[0] is not threading.current_thread()
            info = await engine.functions.get(name="tests.now")
            assert info["is_read_only"]
            assert (await engine.functions.get(name="tests.later"))["input_schema"] == {"type": "object"}

            with pytest.raises(errors.AlreadyExistsError):
                engine.function("tests.now")(now)
            with pytest.raises(errors.InvalidRequestError):
                engine.function("Not a name")(now)
            assert engine.unregister_function("tests.now")
            assert not engine.unregister_function("tests.now")
            with pytest.raises(errors.NotFoundError):
                await engine.functions.call(name="tests.now")

    run(main())


def test_context_variables_are_those_of_the_registration() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            user.set("ada")

            @engine.function("tests.who")
            async def who(arguments: Any, context: FunctionContext) -> str:
                name = user.get()
                user.set("changed within a call")
                return name

            @engine.function("tests.who_in_thread")
            def who_in_thread(arguments: Any, context: FunctionContext) -> str:
                return user.get()

            user.set("bob")
            for name in ("tests.who", "tests.who", "tests.who_in_thread"):
                assert (await engine.functions.call(name=name))["output"] == "ada"
            assert user.get() == "bob"

    run(main())


def test_what_a_function_raises_becomes_its_error() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:

            @engine.function("tests.value_error")
            async def value_error(arguments: Any, context: FunctionContext) -> None:
                try:
                    raise KeyError("deep")
                except KeyError as error:
                    raise ValueError("no such value") from error

            @engine.function("tests.rate_limited")
            def rate_limited(arguments: Any, context: FunctionContext) -> None:
                raise errors.RateLimitedError("slow down", retry={"kind": "after", "ms": 5}, context={"service": "x"})

            @engine.function("tests.not_json")
            async def not_json(arguments: Any, context: FunctionContext) -> Any:
                return object()

            @engine.function("tests.not_a_number")
            def not_a_number(arguments: Any, context: FunctionContext) -> Any:
                return float("nan")

            class SpeechlessError(Exception):
                def __str__(self) -> str:
                    raise RuntimeError("nothing to say")

            @engine.function("tests.speechless")
            async def speechless(arguments: Any, context: FunctionContext) -> Any:
                raise SpeechlessError

            with pytest.raises(errors.HostFailedError, match="SpeechlessError"):
                await engine.functions.call(name="tests.speechless")
            with pytest.raises(errors.HostFailedError, match="ValueError: no such value") as host_failed:
                await engine.functions.call(name="tests.value_error")
            assert str(host_failed.value.__cause__) == "KeyError: 'deep'"
            with pytest.raises(errors.RateLimitedError, match="slow down") as limited:
                await engine.functions.call(name="tests.rate_limited")
            assert limited.value.retry == {"kind": "after", "ms": 5}
            assert limited.value.context["service"] == "x"
            with pytest.raises(errors.HostFailedError, match="not JSON serializable"):
                await engine.functions.call(name="tests.not_json")
            with pytest.raises(errors.HostFailedError):
                await engine.functions.call(name="tests.not_a_number")
            run = await engine.runs.start(document=calling("tests.value_error"), wait=True)
            assert run["status"] == "faulted"
            assert run["error"] is not None and "no such value" in str(run["error"]["detail"])

    run(main())


def test_a_function_that_never_answers_times_out_and_is_cancelled() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory", host_call_timeout_ms=50) as engine:
            ended = asyncio.Event()

            @engine.function("tests.never")
            async def never(arguments: Any, context: FunctionContext) -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()

            with pytest.raises(errors.TimeoutError):
                await engine.functions.call(name="tests.never")
            await ended.wait()

    run(main())


def test_cancelling_a_run_cancels_its_functions() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            began, ended = asyncio.Event(), asyncio.Event()

            @engine.function("tests.long")
            async def long(arguments: Any, context: FunctionContext) -> None:
                began.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    ended.set()
                    raise

            run = await engine.runs.start(document=calling("tests.long"))
            await began.wait()
            assert (await engine.runs.cancel(id=run["id"]))["status"] == "cancelled"
            await ended.wait()

    run(main())


def test_a_function_may_use_the_engine() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:

            @engine.function("tests.outer")
            async def outer(arguments: Any, context: FunctionContext) -> Any:
                run = await engine.runs.start(document=calling("tests.inner"), input=arguments["value"], wait=True)
                return run["output"]

            @engine.function("tests.inner")
            def inner(arguments: Any, context: FunctionContext) -> Any:
                return arguments["value"] + 1

            runs = [engine.runs.start(document=calling("tests.outer"), input=n, wait=True) for n in range(50)]
            assert [run["output"] for run in await asyncio.gather(*runs)] == list(range(1, 51))

    run(main())


def test_runs_go_on_once_their_function_is_registered_again(tmp_path: Any) -> None:
    async def main() -> None:
        async with await atom_engine.open(data_dir=tmp_path) as engine:
            began = asyncio.Event()

            @engine.function("tests.step")
            async def step(arguments: Any, context: FunctionContext) -> None:
                began.set()
                await asyncio.Event().wait()

            run = await engine.runs.start(document=calling("tests.step"), input=1)
            await began.wait()
        async with await atom_engine.open(data_dir=tmp_path) as engine:
            engine.function("tests.step")(lambda arguments, context: "done")
            assert (await engine.runs.get(id=run["id"], wait=True))["output"] == "done"

    run(main())
