"""Export: a release folder holds what PyTorch computes, and says so in its digests."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stegcinn.codecs.cinn.pyramid import CONDITION, DETAILS
from stegcinn.errors import WeightsError
from stegcinn.runtime.weights import Release
from stegcinn.training.cinn.export import export_release
from stegcinn.training.cinn.pyramidflow import CINN, CINNConfig

CONFIG = CINNConfig(couplings=(2, 1), features=(4, 5), hidden=(6, 7))


@pytest.fixture(scope="module")
def exported(tmp_path_factory, one_thread):
    """A tiny network with random weights, laid out as after training, and its release folder."""
    generator = torch.Generator().manual_seed(0)
    model = CINN(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    model.to(memory_format=torch.channels_last)
    folder = tmp_path_factory.mktemp("release") / "new" / "tiny"
    export_release(model, folder, {"noise": 1.5, "root": {"mean": [0, 1], "std": [2, 3]}})
    return model, folder


def inputs(h, w):
    rng = np.random.default_rng(h * w)
    x = 4 * rng.standard_normal((1, DETAILS, h, w), np.float32)
    return x, rng.standard_normal((1, CONDITION, h, w), np.float32)


@pytest.mark.parametrize(("h", "w"), [(8, 8), (5, 13), (1, 1), (33, 16)])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("level", [1, 2])
def test_onnx_computes_what_pytorch_does(exported, level, direction, h, w):
    model, folder = exported
    x, condition = inputs(h, w)
    with torch.no_grad():
        step = getattr(model.flow(level), direction)
        expected = step(torch.from_numpy(x), torch.from_numpy(condition))[0].numpy()
    result = Release(folder).run(f"level{level}-{direction}.onnx", x=x, condition=condition)
    assert result.dtype == np.float32
    assert np.abs(expected - x).max() > 0.1
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_onnx_directions_undo_each_other(exported):
    release = Release(exported[1])
    x, condition = inputs(16, 12)
    z = release.run("level1-forward.onnx", x=x, condition=condition)
    back = release.run("level1-inverse.onnx", x=z, condition=condition)
    np.testing.assert_allclose(back, x, atol=1e-3)


def test_config_names_every_file_with_its_digest(exported):
    _, folder = exported
    config = json.loads((folder / "config.json").read_text())
    names = {p.name for p in folder.iterdir()} - {"config.json"}
    flows = {f"level{i}-{direction}.onnx" for i in (1, 2) for direction in ("forward", "inverse")}
    assert names == flows | {"cinn.safetensors"}
    assert config["sha256"] == {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    assert config["levels"] == 2
    assert config["model"] == {"couplings": [2, 1], "features": [4, 5], "hidden": [6, 7]}
    assert config["noise"] == 1.5
    assert config["root"] == {"mean": [0, 1], "std": [2, 3]}


def test_safetensors_restore_the_network(exported):
    model, folder = exported
    twin = CINN(CONFIG)
    twin.load_state_dict(load_file(folder / "cinn.safetensors"))
    x, condition = (torch.from_numpy(a) for a in inputs(8, 8))
    with torch.no_grad():
        torch.testing.assert_close(twin.flow(1)(x, condition)[0], model.flow(1)(x, condition)[0])


def test_a_damaged_file_is_refused(exported, tmp_path):
    _, folder = exported
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = bytearray((tmp_path / "level2-inverse.onnx").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "level2-inverse.onnx").write_bytes(damaged)
    release = Release(tmp_path)
    release.session("level1-inverse.onnx")
    with pytest.raises(WeightsError, match=r"level2-inverse\.onnx is damaged"):
        release.session("level2-inverse.onnx")
