"""The noise network: blind for a pixel's own colours, trained on code length, resumed, released as what it computes."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import HELD_OUT, stripes

from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Wish, silent
from stegcinn.codecs.stealth import over
from stegcinn.codecs.stealth.noise import (
    EXPECTED,
    FOLLOWS,
    OFF_B,
    OFF_R,
    OFFSET_G,
    RADIUS,
    SCALE_B,
    SCALE_G,
    SCALE_R,
    Host,
    NoiseModel,
)  # fmt: skip
from stegcinn.colourmodel import mixture
from stegcinn.errors import UsageError
from stegcinn.runtime.weights import Release
from stegcinn.sealing import keys
from stegcinn.training.colourmodel.train import luma
from stegcinn.training.noise import photos as versions
from stegcinn.training.noise import train as noise
from stegcinn.training.noise.network import NoiseNet, bits, planes_of
from stegcinn.training.noise.photos import Pile
from stegcinn.training.noise.release import release
from stegcinn.training.noise.train import CHECKPOINT, LOG, NoiseConfig, Trained, load, train

TINY = NoiseConfig(steps=6, batch=3, crop=20, versions=2, warmup=2, learning_rate=1e-2, widths=(6, 5, 7, 6))


@pytest.fixture(autouse=True)
def _alone(one_thread):
    """One thread."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i, name in enumerate(("photo000.png", "photo001.png", HELD_OUT)):
        noisy = stripes(i, 120, 150, swing=80, blue=255) + rng.normal(0, 15, (120, 150, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(made / name)
    return made


@pytest.fixture
def checkpoints(monkeypatch):
    monkeypatch.setattr(noise, "EVERY", 2)


def random_net() -> NoiseNet:
    torch.manual_seed(0)
    net = NoiseNet((6, 5, 7, 6))
    with torch.no_grad():
        net.head.weight.normal_(0, 0.3)
    return net


def test_a_pixel_tells_nothing_of_what_is_expected_of_it():
    net, rng = random_net(), np.random.default_rng(1)
    side = 2 * RADIUS + 1
    rgb = torch.from_numpy(rng.integers(0, 256, (1, 3, side, side)).astype(np.float32))
    y, other = luma(rgb), rgb.clone()
    other[0, :, RADIUS, RADIUS] = torch.tensor([3.0, 99.0, 250.0])
    before, after = (net(planes_of(each, y))[0, :, 0, 0].detach() for each in (rgb, other))
    told = [SCALE_R, SCALE_B, FOLLOWS, OFFSET_G, SCALE_G]
    assert torch.equal(before[told], after[told])
    red, blue = (8 * (other - rgb)[0, c, RADIUS, RADIUS] for c in (0, 2))
    assert after[OFF_R] - before[OFF_R] == pytest.approx(float(red))
    assert after[OFF_B] - before[OFF_B] == pytest.approx(float(blue - before[FOLLOWS] / 64 * red), rel=1e-4)


@pytest.mark.parametrize("at", [(0, 6), (6, 3), (5, 6), (4, 4), (12, 9)])
def test_what_is_around_tells(at):
    net, rng = random_net(), np.random.default_rng(1)
    side = 2 * RADIUS + 1
    planes = torch.from_numpy(rng.normal(0, 30, (1, 3, side, side)).astype(np.float32))
    planes.requires_grad_()
    net(planes)[0, SCALE_R:].sum().backward()
    seen = planes.grad[0, :, at[0], at[1]]
    expected = max(abs(at[0] - 6), abs(at[1] - 6)) <= 2 or (at[0] % 3 == at[1] % 3 == 0)
    assert (seen[1:] != 0).all() == expected


def test_code_length_is_that_of_the_distributions():
    """Of all reds, and of all blues, the chances sum to one; they are what a logistic of mean and scale has."""
    y, r = torch.full((1, 1, 1, 256), 120.0), torch.arange(256.0).reshape(1, 1, 1, 256)
    rgb = torch.cat([r, torch.full_like(r, 120), torch.full_like(r, 120)], dim=1)
    found = torch.zeros(1, EXPECTED, 1, 256)
    found[:, [SCALE_R, SCALE_B, SCALE_G]] = torch.tensor([130.0, 120, 170]).reshape(1, 3, 1, 1)
    found[:, OFF_R] = 8 * (r[:, 0] - 117.5)
    shape = torch.tensor([[0.0, 1, 0]] * 3)
    red = bits(found, rgb, y, shape)[0, 0, 0].double()
    low, high = (int(bound[120]) for bound in mixture.red_bounds())
    chances = torch.exp2(-red[low : high + 1])
    assert chances.sum() == pytest.approx(1, abs=1e-4)
    scale = mixture.scales()[130]
    assert float(torch.exp2(-red[120])) == pytest.approx(1 / (1 + np.exp(-3 / scale)) - 1 / (1 + np.exp(-2 / scale)))


def test_blue_follows_red():
    """Where red is higher than expected, so is blue, by as much as is told."""
    y = torch.full((1, 1, 1, 1), 120.0)
    rgb = torch.tensor([130.0, 117.0, 121.0]).reshape(1, 3, 1, 1)
    found = torch.zeros(1, EXPECTED, 1, 1)
    found[:, [SCALE_R, SCALE_B, SCALE_G]] = torch.tensor([130.0, 120, 170]).reshape(1, 3, 1, 1)
    shape = torch.tensor([[0.0, 1, 0]] * 3)
    alone = bits(found, rgb, y, shape)[1]
    found[:, FOLLOWS], found[:, OFF_R] = 32, 16  # off by 2 levels, of which blue follows 1
    assert torch.equal(bits(found, rgb, y, shape)[1], alone)  # OFF_B is told with red known


def test_versions_are_smaller_and_of_all_kinds(monkeypatch):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (120, 150, 3), np.uint8)
    made = [versions.version(rgb, rng) for _ in range(60)]
    sizes = {each.shape[:2] for each in made}
    assert {(60, 75), (40, 50)} < sizes
    assert len(sizes) > 10
    assert all(0.29 < h / 120 < 0.86 for h, _ in sizes)
    saved = []
    real = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda *a, **options: saved.append(options) or real(*a, **options))
    for _ in range(60):
        versions.version(rgb, rng)
    assert 25 < len(saved) < 58
    assert {each["subsampling"] for each in saved} == {0, 2}
    assert all(75 <= each["quality"] <= 97 for each in saved)


def test_crops_are_those_of_photos_large_enough(folder):
    pile = Pile([folder], 60, 4, validation=False, seed=0)
    assert pile.names == ["photo000.png", "photo001.png"]
    assert 0 < len(pile.photos) < 8
    crops = pile.crops(5, np.random.default_rng(0))
    assert (crops.shape, crops.dtype) == ((5, 3, 60, 60), torch.float32)
    with pytest.raises(ValueError, match="no colour photo has 200x200 pixels after scaling"):
        Pile([folder], 200, 4, validation=False, seed=0)


def test_training_makes_colours_likelier_and_goes_on_where_it_stopped(folder, tmp_path, checkpoints, monkeypatch):
    config = replace(TINY, steps=40)
    lines: list[str] = []
    whole = train([folder], tmp_path / "whole", config, report=lines.append)
    rows = list(csv.reader((tmp_path / "whole" / LOG).read_text().splitlines()))
    assert [int(row[0]) for row in rows] == list(range(2, 41, 2))
    assert sum(map(float, rows[-1][2:])) < sum(map(float, rows[0][2:])) - 1
    assert lines[-1].startswith("step 40 of 40: ")

    def stop(text: str) -> None:
        if text.startswith("step 21 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([folder], tmp_path / "part", config, report=lines.append, working=stop)
    part = train([folder], tmp_path / "part", config, report=lines.append)
    (one, facts), (two, _) = load(whole), load(part)
    assert facts["step"] == 40
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key]), key


def test_another_run_is_not_gone_on_with(folder, tmp_path, checkpoints):
    train([folder], tmp_path, TINY, report=lambda line: None)
    with pytest.raises(UsageError, match="holds another run"):
        train([folder], tmp_path, replace(TINY, seed=1), report=lambda line: None)


@pytest.fixture(scope="module")
def released(folder, tmp_path_factory, one_thread) -> tuple[Path, Trained]:
    run = tmp_path_factory.mktemp("run")
    train([folder], run, TINY, report=lambda line: None)
    release(run, run / "new", [folder])
    return run / "new", load(run / CHECKPOINT)[0]


def test_what_is_released_computes_the_same(released):
    made, model = released
    rgb = np.random.default_rng(3).integers(0, 256, (40, 50, 3), np.uint8)
    found = NoiseModel(Release(made)).expected(rgb, luma_of(rgb), silent)[RADIUS:-RADIUS, RADIUS:-RADIUS]
    x = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        told = model.net(planes_of(x, luma(x)))[0].permute(1, 2, 0).numpy()
    told[..., [SCALE_R, SCALE_B, SCALE_G]] -= mixture.ZERO
    low, high = np.full(EXPECTED, -128), np.full(EXPECTED, 127)
    low[[OFF_R, OFF_B]], high[[OFF_R, OFF_B]] = -100, 100
    assert np.abs(np.clip(told, low, high) - found).max() < 0.51
    assert "2 versions of each" in (made / "README.md").read_text()
    assert "bits per pixel on photos held out" in (made / "README.md").read_text()


def test_what_is_released_hides(released):
    made, _ = released
    rng = np.random.default_rng(3)
    host = Photo(rng.normal((148, 128, 108), 6, (96, 96, 3)).clip(0, 255).astype(np.uint8))
    codec, key, stream = over(Release(made)), keys.derive(None, bytes(32)), rng.bytes(50)
    assert codec.capacity(host, Wish(), silent).most >= 50
    container = codec.embed(host, stream, key, Wish(), silent).carrier
    assert codec.extract(container, key, len).stream == stream
    assert Host.of(NoiseModel(Release(made)), host.rgb, host.luma, silent).free == 96 * 96
