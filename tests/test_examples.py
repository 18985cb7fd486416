"""The examples run as they are."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from fakes import RELEASED

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not RELEASED, reason="the weights are not there"),
]


def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "MPLBACKEND", "Agg")
    notebook = json.loads((EXAMPLES / "hide_and_measure.ipynb").read_text(encoding="utf-8"))
    codes = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(codes) >= 5
    space: dict[str, object] = {}
    for code in codes:
        exec(compile(code, "a cell", "exec"), space)
    out = capsys.readouterr().out
    assert "safe" in out
    assert out.count("bytes, ") == 4
    assert len(space["found"]) == 4  # type: ignore[arg-type]
    assert space["container"]._repr_png_()  # type: ignore[attr-defined]
    assert not any(cell.get("outputs") for cell in notebook["cells"])  # they would change with every run


@pytest.mark.usefixtures("one_thread")
def test_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("train_and_attack", EXAMPLES / "train_and_attack.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "PHOTOS", 16)
    shorter = ("--set", "stage1.steps=60", "--set", "rounds.iterations=3")
    right = script.main(["--out", str(tmp_path / "attack"), *shorter])
    assert set(right) == {"own networks", "stealth"}
    assert all(0 <= share <= 1 for share in right.values())
    assert right["own networks"] > 0.6  # hardly trained: loud enough for anyone
    with Image.open(tmp_path / "attack" / "attack.png") as image:
        assert image.width > 300
    assert "the attacker is right in" in capsys.readouterr().out
