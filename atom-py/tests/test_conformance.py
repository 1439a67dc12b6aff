"""Carries out the cases in `tests/conformance`, which every host language shares.

Requests whose members are the arguments of a typed method go through that method, others through `call`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atom_engine
import pytest
from atom_engine import AtomError, Engine, FunctionContext
from atom_engine.engine import Actor
from patterns import Names, check, expand
from support import ROOT, run

FILES = sorted((ROOT / "tests" / "conformance").glob("*.json"))
CASES = [
    pytest.param(file, case, id=f"{file['name']}: {case['name']}")
    for file in (json.loads(path.read_text(encoding="utf-8")) for path in FILES)
    for case in file["cases"]
]

CASE_KEYS = {"name", "cli", "config", "functions", "steps"}
CALL_KEYS = {"call", "as", "with", "expect", "error"}
STREAM_KEYS = {"stream", "as", "with", "take", "during", "expect", "error"}


def echo(arguments: Any, context: FunctionContext) -> Any:
    return arguments


async def tell_context(arguments: Any, context: FunctionContext) -> Any:
    return {"tenant": context.tenant, "user": context.user, "task": context.task}


async def fail(arguments: Any, context: FunctionContext) -> Any:
    raise ValueError(arguments["message"])


async def hang(arguments: Any, context: FunctionContext) -> Any:
    await asyncio.Event().wait()


FUNCTIONS: dict[str, Callable[[Any, FunctionContext], Any]] = {
    "conformance.echo": echo,
    "conformance.context": tell_context,
    "conformance.fail": fail,
    "conformance.hang": hang,
}


@pytest.mark.parametrize(("file", "case"), CASES)
def test_conformance(file: dict[str, Any], case: dict[str, Any], tmp_path: Path) -> None:
    assert case.keys() <= CASE_KEYS
    names: Names = {"root": str(ROOT), "temp": str(tmp_path.resolve())}
    for name, value in file.get("values", {}).items():
        names[name] = expand(value, names)
    run(Runner(case, names).carry_out())


class Runner:
    """Carries out one case."""

    def __init__(self, case: dict[str, Any], names: Names) -> None:
        self._steps = case["steps"]
        self._functions = case.get("functions", [])
        self._config = {"storage": "memory", **expand(case.get("config", {}), names)}
        self._names = names
        self._engine: Engine

    async def carry_out(self) -> None:
        await self._open()
        try:
            for step in self._steps:
                await self._take(step)
        finally:
            await self._engine.close()

    async def _open(self) -> None:
        self._engine = await atom_engine.open(**self._config)
        for name in self._functions:
            self._engine.function(name)(FUNCTIONS[name])

    async def _take(self, step: dict[str, Any]) -> None:
        if "call" in step:
            await self._call(step)
        elif "stream" in step:
            await self._stream(step)
        else:
            assert step == {"reopen": True}
            await self._engine.close()
            await self._open()

    async def _call(self, step: dict[str, Any]) -> None:
        assert step.keys() <= CALL_KEYS and ("expect" in step) != ("error" in step)
        operation = step["call"]
        actor, request = self._prepare(step)
        typed = _typed(actor, operation, request)
        try:
            answer = await (typed() if typed else actor.call(operation, request))
        except AtomError as error:
            if "error" not in step:
                raise
            self._check(step["error"], _report(error), operation)
        else:
            assert "expect" in step, f"{operation} succeeds: {answer}"
            self._check(step["expect"], answer, operation)

    async def _stream(self, step: dict[str, Any]) -> None:
        assert step.keys() <= STREAM_KEYS
        operation = step["stream"]
        actor, request = self._prepare(step)
        typed = _typed(actor, operation, request)
        stream = typed() if typed else actor.subscribe(operation, request)
        for inner in step.get("during", []):
            await self._take(inner)
        items: list[Any] = []
        failure: AtomError | None = None
        async with stream:
            try:
                while len(items) != step.get("take"):
                    items.append(await stream.__anext__())
            except StopAsyncIteration:
                pass
            except AtomError as error:
                failure = error
        self._check(step["expect"], items, operation)
        if "error" in step:
            assert failure is not None, f"{operation} ends well"
            self._check(step["error"], _report(failure), operation)
        elif failure is not None:
            raise failure

    def _prepare(self, step: dict[str, Any]) -> tuple[Actor, Any]:
        request = expand(step.get("with", {}), self._names)
        if "as" not in step:
            return self._engine, request
        return self._engine.acting_as(**expand(step["as"], self._names)), request

    def _check(self, pattern: Any, value: Any, path: str) -> None:
        check(expand(pattern, self._names), value, self._names, path)


def _typed(actor: Actor, operation: str, request: Any) -> Callable[[], Any] | None:
    """The call through the typed method, when the request can be made so."""
    group, _, name = operation.partition(".")
    method = getattr(getattr(actor, group, None), name, None)
    if method is None or not isinstance(request, dict):
        return None
    try:
        inspect.signature(method).bind(**request)
    except TypeError:
        return None
    return lambda: method(**request)


def _report(error: AtomError) -> dict[str, Any]:
    cause: list[str] = []
    below = error.__cause__
    while below is not None:
        cause.append(str(below))
        below = below.__cause__
    return {
        "code": error.code,
        "retry": error.retry,
        "operation": error.operation,
        "message": error.message,
        "context": error.context,
        "cause": cause,
    }
