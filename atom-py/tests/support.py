"""What the tests share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schema"

Result = TypeVar("Result")

LIMIT_SECONDS = 30


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Runs a test in an event loop of its own; one that hangs fails."""
    return asyncio.run(asyncio.wait_for(main, LIMIT_SECONDS))


def workflow(tasks: str, name: str = "test") -> str:
    """A document with these tasks, each on a line of its own."""
    lines = "".join(f"  - {line}\n" for line in tasks.strip().splitlines())
    return f"document: {{ dsl: 1.0.3, namespace: tests, name: {name}, version: 1.0.0 }}\ndo:\n{lines}"


def calling(function: str) -> str:
    """A document that calls a function with the run's input."""
    return workflow("work: { call: %s, with: { value: '${ . }' } }" % function)


def run_script(script: str, *arguments: str, limit: float = LIMIT_SECONDS) -> subprocess.CompletedProcess[str]:
    """Runs a program in an interpreter of its own; one that hangs fails."""
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
