"""The morning briefing from a Python program: opens an engine, runs the workflow and prints the page.

    python examples/morning-briefing/python/main.py [folder]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import atom_engine


async def main(folder: Path) -> int:
    # Local connectors may touch this folder and nothing else.
    async with await atom_engine.open(storage="memory", file_roots=[folder]) as engine:
        run = await engine.runs.start(
            document=(folder / "workflow.yaml").read_text(encoding="utf-8"),
            input={},
            directory=str(folder),
            wait=True,
        )
        if run["status"] != "completed":
            print(f"the run ended as {run['status']}: {run.get('error')}", file=sys.stderr)
            return 1
        print(run["output"]["text"], end="")
        return 0


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    sys.exit(asyncio.run(main(folder.resolve())))
