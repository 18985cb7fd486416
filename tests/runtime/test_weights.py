"""Runtime: released weights run, and whatever is wrong with them is a WeightsError."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from onnx import TensorProto, helper

from stegcinn.errors import WeightsError
from stegcinn.runtime import weights
from stegcinn.runtime.weights import Release

SHAPE = ["n", "c", "h", "w"]


def adder():
    """A network with inputs x and condition, and their sum."""
    x, condition, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, SHAPE) for n in ("x", "condition", "y"))
    graph = helper.make_graph([helper.make_node("Add", ["x", "condition"], ["y"])], "adder", [x, condition], [y])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "v0"
    path.mkdir()
    (path / "add.onnx").write_bytes(adder())
    write_config(path, {"noise": 2.0, "sha256": {"add.onnx": hashlib.sha256(adder()).hexdigest()}})
    return path


def write_config(folder, config):
    (folder / "config.json").write_text(json.dumps(config))


def test_a_network_runs_at_any_size(folder):
    release = Release(folder)
    for shape in ((1, 2, 3, 4), (1, 6, 1, 9)):
        x, condition = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
        y = release.run("add.onnx", x=x, condition=condition)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, x + condition)


def test_a_network_is_loaded_once(folder):
    release = Release(folder)
    session = release.session("add.onnx")
    (folder / "add.onnx").unlink()
    assert release.session("add.onnx") is session


def test_config_is_what_the_folder_says(folder):
    assert Release(folder).config["noise"] == 2.0


def test_a_damaged_network_is_refused(folder):
    model = bytearray(adder())
    model[-1] ^= 1
    (folder / "add.onnx").write_bytes(model)
    with pytest.raises(WeightsError, match=r"v0/add\.onnx is damaged"):
        Release(folder).run("add.onnx", x=np.zeros((1, 1, 1, 1), np.float32))


def test_a_network_that_config_does_not_name_is_refused(folder):
    (folder / "other.onnx").write_bytes(adder())
    with pytest.raises(WeightsError, match=r"other\.onnx"):
        Release(folder).session("other.onnx")


def test_a_missing_network_is_told(folder):
    (folder / "add.onnx").unlink()
    with pytest.raises(WeightsError, match=r"add\.onnx cannot be read"):
        Release(folder).session("add.onnx")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\xff"], ids=["empty", "cut", "no text"])
def test_an_unreadable_config_is_told(folder, content):
    (folder / "config.json").write_bytes(content)
    release = Release(folder)
    with pytest.raises(WeightsError, match="'v0' cannot be read"):
        _ = release.config
    with pytest.raises(WeightsError, match="'v0' cannot be read"):
        release.session("add.onnx")


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(WeightsError, match="nowhere"):
        _ = Release(tmp_path / "nowhere").config
    with pytest.raises(WeightsError):
        Release(tmp_path / "nowhere").session("add.onnx")


def test_an_unknown_release_is_told():
    with pytest.raises(WeightsError, match="no-such-release"):
        _ = weights.release("no-such-release").config


def test_a_release_is_opened_once():
    assert weights.release("no-such-release") is weights.release("no-such-release")
