"""What is shipped: nothing unpickles a file, and every weight under a digest that is checked before use."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import re
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stegcinn.errors import WeightsError
from stegcinn.runtime import weights

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("src", "scripts") for path in (ROOT / folder).rglob("*.py"))
PACKAGE = ROOT / "src" / "stegcinn"
WEIGHTS = [
    path
    for folder in (PACKAGE / "weights", PACKAGE / "evaluation" / "weights")
    for path in sorted(folder.iterdir())
    if path.is_dir()
]
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
        data = weights.Release(folder).read(name)
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


def test_the_security_page_has_the_digests_of_the_weights():
    told = re.findall(
        r"^\| `([a-z-]+-[0-9]+)` \| `([0-9a-f]{64})` \|$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE
    )
    assert dict(told) == {path.name: digest((path / "config.json").read_bytes()) for path in WEIGHTS}
    assert len(told) == len(WEIGHTS)


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def bills(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "make"))
    return importlib.import_module("bills")


def test_a_wheels_bill_has_every_file_every_release_and_every_package_that_is_asked_for(bills, tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [f"Requires-Dist: {line}\n" for line in project["dependencies"]]
    asked += [
        f"Requires-Dist: {line}; extra == '{extra}'\n"
        for extra, lines in project["optional-dependencies"].items()
        for line in lines
    ]
    about = f"Name: stegcinn\nVersion: 1.2\nSummary: What\nLicense-Expression: MIT\n{''.join(asked)}\nText\n"
    contents = {
        "stegcinn/x.py": b"x",
        "stegcinn/weights/new-1/config.json": b"{}",
        "stegcinn/evaluation/weights/other-1/config.json": b"{ }",
        "stegcinn-1.2.dist-info/METADATA": about.encode(),
    }
    wheel = tmp_path / "stegcinn-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    path = bills.write(wheel, tmp_path)
    assert path.name == "stegcinn-1.2-py3-none-any.whl.cdx.json"
    bill = json.loads(path.read_text())
    assert bill == bills.bill(wheel)  # nothing in it is of the hour
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    whole = bill["metadata"]["component"]
    assert (whole["version"], whole["licenses"]) == ("1.2", [{"license": {"id": "MIT"}}])
    assert whole["hashes"] == [{"alg": "SHA-256", "content": digest(wheel.read_bytes())}]

    def of(kind):
        return {each["name"]: each for each in bill["components"] if each["type"] == kind}

    assert {name: each["hashes"][0]["content"] for name, each in of("file").items()} == {
        name: digest(data) for name, data in contents.items()
    }
    assert of("machine-learning-model")["new-1"]["hashes"][0]["content"] == digest(b"{}")
    assert of("machine-learning-model")["other-1"]["hashes"][0]["content"] == digest(b"{ }")
    libraries = of("library")
    required = {name for name, each in libraries.items() if each["scope"] == "required"}
    assert required == {re.split(r"[^a-z-]", line)[0] for line in project["dependencies"]}
    assert {"torch", "starlette", "hatchling"} <= libraries.keys() - required
    assert libraries["numpy"]["properties"] == [{"name": "versions", "value": ">=1.26"}]
    references = [each["bom-ref"] for each in bill["components"]]
    assert len(references) == len(set(references))
    assert set(bill["dependencies"][0]["dependsOn"]) == {each["bom-ref"] for each in libraries.values()}
