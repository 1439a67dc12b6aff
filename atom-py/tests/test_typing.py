"""The package and its tests hold under `mypy --strict`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ROOT


def test_types_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = pytest.importorskip("mypy.api")
    monkeypatch.chdir(ROOT / "atom-py")
    monkeypatch.setenv("MYPYPATH", "python:tests")
    output, problems, status = api.run(["--cache-dir", str(tmp_path)])
    assert (status, problems) == (0, ""), output


def test_wrong_use_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = pytest.importorskip("mypy.api")
    monkeypatch.setenv("MYPYPATH", str(ROOT / "atom-py" / "python"))
    sample = tmp_path / "sample.py"
    sample.write_text(
        "from atom_engine import Engine\n"
        "async def main(engine: Engine) -> None:\n"
        "    run = await engine.runs.get(id='x')\n"
        "    run['status'].upper()\n"
        "    run['state']\n"
        "    await engine.runs.get(id=1)\n"
        "    await engine.runs.start(documant='x')\n"
        "    async for entry in engine.runs.events(id='x'):\n"
        "        if entry['type'] == 'run_completed':\n"
        "            print(entry['output'])\n"
        "        else:\n"
        "            print(entry['output'])\n"
    )
    output, _, status = api.run(["--strict", "--cache-dir", str(tmp_path / "cache"), str(sample)])
    wrong = {int(line.split(":")[1]) for line in output.splitlines() if ": error:" in line}
    assert (status, wrong) == (1, {5, 6, 7, 12}), output
