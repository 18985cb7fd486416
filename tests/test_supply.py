"""What is shipped: nothing unpickles a file, and every weight under a digest that is checked before use."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from stegcinn.errors import WeightsError
from stegcinn.runtime import weights

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("src", "scripts") for path in (ROOT / folder).rglob("*.py"))
WEIGHTS = sorted(path for path in (ROOT / "src" / "stegcinn" / "weights").iterdir() if path.is_dir())
THAT_RUN_CODE = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_that_could_run_code_is_read(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                assert not {name.name.partition(".")[0] for name in names} & THAT_RUN_CODE
            case ast.ImportFrom(module=str(module), names=names) if module.partition(".")[0] in THAT_RUN_CODE:
                assert [name.name for name in names] == ["UnpicklingError"]  # to be caught
            case ast.ImportFrom(module="joblib", names=names):  # it spreads jobs over processes of our own
                assert not {name.name for name in names} & {"dump", "load"}
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load"), keywords=keywords):
                safe = [keyword.value for keyword in keywords if keyword.arg == "weights_only"]
                assert [value.value for value in safe if isinstance(value, ast.Constant)] == [True]
            case ast.Attribute(value=ast.Name(id="torch"), attr=attribute):
                assert attribute != "save"
            case ast.Attribute(value=ast.Name(id="joblib"), attr=attribute):
                assert attribute not in ("dump", "load")
            case ast.keyword(arg="allow_pickle", value=value):
                assert isinstance(value, ast.Constant)
                assert value.value is False
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr="load"), keywords=keywords):
                assert "allow_pickle" in {keyword.arg for keyword in keywords}


@pytest.mark.parametrize("folder", WEIGHTS, ids=lambda path: path.name)
def test_every_file_of_a_release_has_its_digest_and_holds_numbers_only(folder):
    listed = set(json.loads((folder / "config.json").read_text())["sha256"])
    assert {path.name for path in folder.iterdir()} == listed | {"config.json", "README.md"}
    assert {Path(name).suffix for name in listed} <= {".onnx", ".npy", ".safetensors"}
    for name in listed:
        data = weights.release(folder.name).read(name)
        if name.endswith(".npy"):
            assert np.load(folder / name, allow_pickle=False).dtype.kind in "iuf"
        assert data == (folder / name).read_bytes()


def test_altered_weights_are_not_used(tmp_path):
    for path in WEIGHTS[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    network = next(tmp_path.glob("*.onnx"))
    altered = bytearray(network.read_bytes())
    altered[len(altered) // 2] ^= 1
    network.write_bytes(altered)
    with pytest.raises(WeightsError, match="damaged"):
        weights.Release(tmp_path).session(network.name)
