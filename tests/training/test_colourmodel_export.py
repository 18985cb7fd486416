"""Export of the colour model: a release folder holds what PyTorch computes, in integers, and says so in its digests."""

from __future__ import annotations

import hashlib
import json
from functools import partial

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file

from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import COLORS, Wish, silent
from stegcinn.codecs.exact.codec import ExactCodec
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import CHANNELS, PHASES
from stegcinn.colourmodel.networks import ColourModel as Runtime
from stegcinn.errors import MachineError, WeightsError
from stegcinn.runtime.weights import Release
from stegcinn.sealing.envelope import Payload, pack, seal, stream_size, unseal
from stegcinn.sealing.keys import derive
from stegcinn.training.colourmodel.export import export_exact, network, tables
from stegcinn.training.colourmodel.network import RADIUS, ColourModel

WIDTHS = ((6, 5, 4), (4, 4, 4), (5, 4, 3))
NETWORKS = [(group, phase) for group in range(len(WIDTHS)) for phase in range(len(PHASES))]


@pytest.fixture(scope="module")
def exported(tmp_path_factory, one_thread):
    """A tiny model with random weights and its release folder."""
    generator = torch.Generator().manual_seed(0)
    model = ColourModel(WIDTHS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    folder = tmp_path_factory.mktemp("release") / "new" / "tiny"
    export_exact(model, folder, {"training": {"step": 3}, "known_answer": "unknown"})
    return model, folder


@pytest.mark.parametrize(("h", "w"), [(0, 0), (5, 13)])
@pytest.mark.parametrize(("group", "phase"), NETWORKS)
def test_onnx_computes_what_pytorch_does(exported, group, phase, h, w):
    model, folder = exported
    size = h + 2 * RADIUS + 1, w + 2 * RADIUS + 1
    x = np.random.default_rng(group).integers(0, 256, (1, CHANNELS[phase], *size), np.uint8)
    with torch.no_grad():
        expected = model.nets[group][phase](torch.from_numpy(x).float()).numpy()
    y = Release(folder).run(f"level{group}-phase{phase}.onnx", x=x)
    assert y.dtype == np.uint8
    assert y.shape == (1, h + 1, w + 1, mixture.PARAMETERS)
    assert np.array_equal(np.moveaxis(y, -1, 1), expected)
    assert len(np.unique(y)) > 10


def test_networks_hold_integers_and_powers_of_two(exported):
    model, _ = exported
    graph = network(model.nets[0][0]).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for i, layer in enumerate(model.nets[0][0].layers):
        weight, bias = (t.detach().numpy() for t in layer.integers())
        assert tensors[f"weight{i}"].dtype == np.int8
        assert np.array_equal(tensors[f"weight{i}"], weight)
        assert tensors[f"bias{i}"].dtype == np.int32
        assert np.array_equal(tensors[f"bias{i}"], bias)
        assert tensors[f"scale{i}"] == 2.0**-layer.shift
    assert {node.op_type for node in graph.node} == {"QLinearConv", "Transpose"}
    onnx.checker.check_model(network(model.nets[2][2]))


def test_tables_are_those_of_the_model(exported):
    model, folder = exported
    release = Release(folder)
    logistic, root = release.array("logistic.npy"), release.array("root.npy")
    assert logistic.dtype == np.int32
    assert root.dtype == np.uint8
    for group in range(len(WIDTHS)):
        for symbol in range(mixture.SYMBOLS):
            expected = mixture.logistic(model.shape[group, symbol].detach().numpy())
            assert np.array_equal(logistic[group, symbol], expected)
    assert np.array_equal(root, (model.root * 32).round().clamp(0, 255).detach().numpy())
    assert {name: table.shape for name, table in tables(model).items()} == {
        "logistic": logistic.shape, "root": (mixture.ROOT_BINS, mixture.PARAMETERS),
    }  # fmt: skip


def test_config_names_every_file_with_its_digest(exported):
    _, folder = exported
    config = json.loads((folder / "config.json").read_text())
    names = {p.name for p in folder.iterdir()} - {"config.json"}
    networks = {f"level{group}-phase{phase}.onnx" for group, phase in NETWORKS}
    assert names == networks | {"exact.safetensors", "logistic.npy", "root.npy"}
    assert config["sha256"] == {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    assert config["groups"] == 3
    assert config["widths"] == [list(w) for w in WIDTHS]
    assert config["training"] == {"step": 3}
    assert config["known_answer"] == "unknown"
    assert all(p.stat().st_mode & 0o444 == 0o444 for p in folder.iterdir())


def test_safetensors_restore_the_networks(exported):
    model, folder = exported
    twin = ColourModel(WIDTHS)
    twin.load_state_dict(load_file(folder / "exact.safetensors"))
    for group, phase in NETWORKS:
        for ours, theirs in zip(model.nets[group][phase].layers, twin.nets[group][phase].layers, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(ours.integers(), theirs.integers(), strict=True))
    assert np.array_equal(tables(twin)["logistic"], tables(model)["logistic"])


def test_exporting_again_gives_the_same_files(exported, tmp_path):
    model, folder = exported
    export_exact(model, tmp_path, {"training": {"step": 3}, "known_answer": "unknown"})
    for file in folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_a_damaged_file_is_refused(exported, tmp_path):
    _, folder = exported
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for name in ("level2-phase1.onnx", "root.npy"):
        damaged = bytearray((tmp_path / name).read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(WeightsError, match=f"{name} is damaged"):
            Release(tmp_path).read(name)


@pytest.mark.parametrize("colors", COLORS)
def test_any_release_is_a_codec(exported, colors, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    codec, key = ExactCodec(Runtime(Release(exported[1]))), derive(None, bytes(32))
    host = Photo(np.random.default_rng(0).integers(60, 200, (64, 71, 3), np.uint8))
    payload = Payload(np.random.default_rng(1).bytes(200))
    with pytest.raises(MachineError):
        codec.ready()
    codec.model.release.config["known_answer"] = codec.known_answer()
    container = codec.embed(host, seal(pack(payload), key), key, Wish(colors), silent).carrier
    assert unseal(codec.extract(container, key, partial(stream_size, keys=key)).stream, key) == payload
