"""An embeddable engine for durable workflows, with local connectors.

    async with await atom_engine.open(data_dir="data") as engine:
        run = await engine.runs.start(document=text, input={"name": "Ada"}, wait=True)
        print(run["output"])
"""

from __future__ import annotations

from . import errors, types
from ._host import FunctionContext
from ._native import __version__
from ._stream import Stream
from .engine import Actor, Engine
from .errors import *  # noqa: F403

open = Engine.open

__all__ = [
    "Actor",
    "Engine",
    "FunctionContext",
    "Stream",
    "__version__",
    "errors",
    "open",
    "types",
]
__all__ += errors.__all__
