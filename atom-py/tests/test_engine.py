"""Opening, closing, calling and failing."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path
from typing import Any

import atom_engine
import pytest
from atom_engine import AtomError, Engine, errors
from support import SCHEMA, run, workflow


def test_a_store_is_reopened_with_what_was_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with await atom_engine.open(data_dir=tmp_path) as engine:
            run = await engine.runs.start(document=workflow("set: { set: { x: 1 } }"), wait=True)
        async with await Engine.open(data_dir=str(tmp_path)) as engine:
            again = await engine.runs.get(id=run["id"])
            assert again["status"] == "completed"
            assert again["output"] == {"x": 1}

    run(main())


def test_a_folder_is_open_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with await atom_engine.open(data_dir=tmp_path):
            with pytest.raises(errors.LockedError) as caught:
                await atom_engine.open(data_dir=tmp_path)
            assert caught.value.operation == "engine.open"
            assert caught.value.is_retryable

    run(main())


def test_a_closed_engine_says_so() -> None:
    async def main() -> None:
        engine = await atom_engine.open(storage="memory")
        waiting = asyncio.create_task(engine.call("events.list"))
        await waiting
        stream = engine.events.subscribe()
        following = asyncio.create_task(stream.__anext__())
        await asyncio.sleep(0)
        await asyncio.gather(engine.close(), engine.close())
        await engine.close()
        with pytest.raises((errors.ClosedError, StopAsyncIteration)):
            await following
        with pytest.raises(errors.ClosedError):
            await engine.engine.info()
        with pytest.raises(errors.ClosedError):
            engine.events.subscribe()
        with pytest.raises(errors.ClosedError):
            engine.function("late.one")(lambda arguments, context: None)

    run(main())


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(errors.UnavailableError) as caught:
            await atom_engine.open(data_dir=tmp_path, storage="postgres://ada:pass-7@127.0.0.1:1/app")
        assert "pass-7" not in f"{caught.value!r} {caught.value}"

    run(main())


def test_options_are_checked_by_name() -> None:
    async def main() -> None:
        with pytest.raises(errors.InvalidRequestError, match="storage"):
            await atom_engine.open(storage="paper")

    run(main())


def test_every_code_has_an_exception_of_its_own() -> None:
    for entry in json.loads((SCHEMA / "errors.json").read_text())["codes"]:
        error = AtomError.from_report({"code": entry["code"], "message": "x", "retry": entry["retry"]})
        assert type(error) is not AtomError
        assert (type(error).code, error.code) == (entry["code"], entry["code"])
        assert getattr(atom_engine, type(error).__name__) is type(error)
    assert len(errors.__all__) == 1 + len(json.loads((SCHEMA / "errors.json").read_text())["codes"])


def test_an_error_carries_what_is_known() -> None:
    report = {
        "code": "unavailable",
        "retry": {"kind": "after", "ms": 20},
        "operation": "runs.get",
        "message": "try later",
        "context": {"host": "example.org"},
        "cause": ["outer", "inner"],
    }
    error = AtomError.from_report(report)
    assert isinstance(error, errors.UnavailableError)
    assert str(error) == "runs.get: try later (unavailable, host=example.org)"
    assert error.is_retryable
    assert str(error.__cause__) == "outer"
    assert error.__cause__ is not None
    assert str(error.__cause__.__cause__) == "inner"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.retry) == (str(error), error.retry)
    future = AtomError.from_report({"code": "not_yet_known", "message": "x"})
    assert (type(future), future.code) == (AtomError, "not_yet_known")


def test_errors_arrive_with_their_code() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            with pytest.raises(errors.InvalidRequestError) as caught:
                await engine.call("runs.get", {"id": "no id"})
            assert caught.value.operation == "runs.get"
            assert caught.value.context == {"field": "id"}
            with pytest.raises(errors.NotFoundError, match="did you mean runs.start"):
                await engine.call("runs.strat")
            with pytest.raises(errors.InvalidWorkflowError):
                await engine.workflows.deploy(document="do: [")
            with pytest.raises(errors.InvalidRequestError, match="call it"):
                engine.subscribe("runs.list")
            with pytest.raises(errors.InvalidRequestError, match="subscribe"):
                await engine.call("runs.events", {"id": "01a1fb92-7326-7ce6-9d96-f11d2263bc69"})

    run(main())


def _nested(depth: int) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"bytes", _nested(100_000), "\ud800"])
def test_what_has_no_json_form_is_refused(value: Any) -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            with pytest.raises(errors.InvalidRequestError):
                await engine.call("functions.call", {"name": "template.render", "arguments": value})
            assert (await engine.engine.health())["status"] == "ok"

    run(main())


def test_a_request_over_the_limit_is_refused() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            with pytest.raises(errors.LimitExceededError):
                await engine.workflows.validate(document="x" * (17 * 1024 * 1024))

    run(main())


def test_users_are_kept_apart_and_roles_hold() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            ada = engine.acting_as(tenant="acme", user="ada")
            bob = engine.acting_as(tenant="acme", user="bob", roles=["viewer"])
            run = await ada.runs.start(document=workflow("set: { set: { x: 1 } }"), wait=True)
            assert (await ada.runs.list())["items"][0]["id"] == run["id"]
            for other in (engine, bob):
                assert (await other.runs.list())["items"] == []
                with pytest.raises(errors.NotFoundError):
                    await other.runs.get(id=run["id"])
            with pytest.raises(errors.PermissionDeniedError):
                await bob.runs.start(document=workflow("set: { set: { x: 1 } }"))
            with pytest.raises(errors.InvalidRequestError):
                await engine.acting_as(tenant="", user="x").runs.list()

    run(main())


def test_cancelling_the_task_cancels_the_call() -> None:
    async def main() -> None:
        async with await atom_engine.open(storage="memory") as engine:
            began, ended = asyncio.Event(), asyncio.Event()

            @engine.function("tests.wait")
            async def wait(arguments: Any, context: atom_engine.FunctionContext) -> None:
                began.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()

            call = asyncio.create_task(engine.functions.call(name="tests.wait"))
            await began.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await ended.wait()

    run(main())


def test_an_engine_that_is_forgotten_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        engine = await atom_engine.open(data_dir=tmp_path)
        runs = engine.runs
        del engine
        assert (await runs.list())["items"] == []
        with pytest.warns(ResourceWarning, match="not closed"):
            del runs
        await _until_free(tmp_path)

    run(main())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_opening_is_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        opening = asyncio.create_task(atom_engine.open(data_dir=tmp_path))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        del opening
        await _until_free(tmp_path)

    run(main())


async def _until_free(folder: Path) -> None:
    while True:
        try:
            async with await atom_engine.open(data_dir=folder):
                return
        except errors.LockedError:
            await asyncio.sleep(0.02)
