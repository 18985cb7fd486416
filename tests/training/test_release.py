"""Releases: a run's network is exported whole, agrees with what was trained, or is not there at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_runs import LAB, PYRAMID, tiny, write_photos

from stegcinn.errors import UsageError, WeightsError
from stegcinn.runtime.weights import Release
from stegcinn.training.cinn import build, loop, release
from stegcinn.training.cinn import export as exporting
from stegcinn.training.cinn.loop import train
from stegcinn.training.cinn.vgg import VGGFeatures

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = {"pyramid": PYRAMID, "lab": LAB, "condition": {"kind": "condition", "vgg_width": 2}}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    torch.manual_seed(0)
    vgg = VGGFeatures(4).state_dict()
    monkeypatch.setattr(build, "vgg_weights", lambda config: vgg)
    monkeypatch.setattr(release, "VALIDATION_CROPS", 16)


def run(kind, folder):
    photos = write_photos(folder / "photos")
    rounds = 0 if kind == "condition" else 1
    network = train(tiny(KINDS[kind], rounds__rounds=rounds), photos, folder / "run", device="cpu")
    return network, folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_release_is_complete(tmp_path, kind):
    network, source = run(kind, tmp_path)
    facts = release.export(source, tmp_path / "new" / "mine-1")
    folder = tmp_path / "new" / "mine-1"
    released = Release(folder)
    names = {path.name for path in folder.iterdir()} - {"README.md", "config.json"}
    assert names == set(released.config["sha256"])
    for name in names:
        released.read(name)  # checks the digest
    assert released.config["training"]["config"]["network"]["kind"] == kind
    assert released.config["training"]["step"] == (4 if kind == "condition" else 6)
    assert json.loads(json.dumps(facts)).items() <= released.config.items()
    card = (folder / "README.md").read_text()
    assert card.startswith("# mine-1\n")
    assert "{" not in card
    assert "photos" in card
    if kind == "lab":
        z = np.random.default_rng(0).standard_normal((1, 32, 4, 4), np.float32)
        lightness = np.full((1, 1, 16, 16), 50, np.float32)
        chroma = released.run("inverse.onnx", x=z, condition=lightness)
        back = released.run("forward.onnx", x=chroma, condition=lightness)
        np.testing.assert_allclose(back, z, atol=1e-3)
        lab, _ = build.released_lab(released)
        other = build.build(tiny(LAB))
        build.load_weights(folder, other)
        for name, value in network.state_dict().items():
            assert torch.equal(lab.state_dict()[name], value)
            assert torch.equal(other.state_dict()[name], value)
    if kind == "condition":
        twin = VGGFeatures(2)
        twin.load_torchvision(load_file(folder / "vgg.safetensors"))
        for name, value in network.vgg.state_dict().items():
            assert torch.equal(twin.state_dict()[name], value)


@pytest.mark.slow
def test_a_release_is_run_at_the_noise_that_was_asked_for(tmp_path):
    _, source = run("pyramid", tmp_path)
    for noise in (None, 1.25):
        facts = release.export(source, tmp_path / f"at-{noise}", noise=noise)
        assert facts["noise"] == Release(tmp_path / f"at-{noise}").config["noise"] == (noise or 2.0)
    assert "at a dequantisation noise of 1.25 levels" in (tmp_path / "at-1.25" / "README.md").read_text()
    for noise in (0.1, 3.5, float("nan")):
        with pytest.raises(UsageError, match=r"noise of 0\.5 to 3\.0 levels"):
            release.export(source, tmp_path / "refused", noise=noise)
    assert not (tmp_path / "refused").exists()


def test_the_card_names_the_version_that_trained(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(loop, "version", lambda name: "0.0.7")
        _, source = run("condition", tmp_path)
    release.export(source, tmp_path / "mine-1")
    assert "| trained with | stegcinn 0.0.7; " in (tmp_path / "mine-1" / "README.md").read_text()


def test_only_pyramids_have_a_noise(tmp_path):
    _, source = run("condition", tmp_path)
    with pytest.raises(UsageError, match="not run at a noise"):
        release.export(source, tmp_path / "refused", noise=2.0)


@pytest.mark.slow
def test_what_does_not_agree_is_not_released(tmp_path, monkeypatch):
    _, source = run("pyramid", tmp_path)
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(WeightsError, match=r"level1-forward\.onnx"):
        release.export(source, tmp_path / "mine-1")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "run"]
    monkeypatch.undo()
    (tmp_path / "mine-1").mkdir()
    with pytest.raises(UsageError, match="already exists"):
        release.export(source, tmp_path / "mine-1")
    with pytest.raises(UsageError, match="holds no run"):
        release.export(tmp_path / "photos", tmp_path / "mine-2")
    assert not (tmp_path / "mine-2").exists()


@pytest.mark.slow
def test_a_wrong_graph_is_noticed(tmp_path):
    _, source = run("pyramid", tmp_path)
    release.export(source, tmp_path / "mine-1")
    x, condition = np.ones((1, 6, 4, 4), np.float32), np.ones((1, 10, 4, 4), np.float32)

    class Other(torch.nn.Module):
        def forward(self, x, condition):
            return x + 1

    with pytest.raises(WeightsError, match="away from what was trained"):
        exporting.difference(Release(tmp_path / "mine-1"), "level1-inverse.onnx", Other(), x, condition)
