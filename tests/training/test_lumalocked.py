"""Luma-locked chroma in PyTorch: the same numbers as in NumPy, and gradients where there should be some."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_runs import stripes, tiny

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.cinn import pyramid
from stegcinn.codecs.cinn.chroma import HIGH, LOW, from_chroma, to_chroma
from stegcinn.codecs.cinn.pyramid import LumaPyramid
from stegcinn.training.cinn import lumalocked
from stegcinn.training.cinn.build import build_flow
from stegcinn.training.cinn.trainables import chroma_energy

pytestmark = pytest.mark.usefixtures("one_thread")


def image(seed):
    return np.random.default_rng(seed).integers(0, 256, (1, 16, 16, 3), np.uint8)


def test_chroma_is_what_numpy_computes():
    rgb = image(0)
    y = luma_of(rgb).astype(np.float64)
    red, blue = rgb[..., 0].astype(np.float64), rgb[..., 2].astype(np.float64)
    expected = np.moveaxis(to_chroma(y, red, blue), 0, 1)
    found = lumalocked.to_chroma(*(torch.from_numpy(plane) for plane in (y, red, blue)))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_colours_are_what_numpy_computes():
    y = np.random.default_rng(0).integers(0, 256, (1, 16, 16)).astype(np.float64)
    chroma = np.random.default_rng(1).normal(0, 60, (1, 2, 16, 16))
    expected = from_chroma(y, np.moveaxis(chroma, 1, 0))
    painted = lumalocked.from_chroma(torch.from_numpy(y), torch.from_numpy(chroma))
    np.testing.assert_allclose(painted.red.numpy(), expected[0], atol=1e-6)
    np.testing.assert_allclose(painted.blue.numpy(), expected[2], atol=1e-6)
    moved = (painted.overshoot != 0).any(1).numpy()
    at_edge = ((expected <= LOW + 1e-6) | (expected >= HIGH - 1e-6)).any(0)
    assert 0 < moved.mean() < 1
    np.testing.assert_array_equal(moved, at_edge)


def test_the_pyramid_is_what_numpy_computes():
    plane = np.random.default_rng(0).standard_normal((2, 2, 8, 12), np.float32)
    mean, details = lumalocked.split(torch.from_numpy(plane))
    for found, expected in zip((mean, details), pyramid.split(plane), strict=True):
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(lumalocked.merge(mean, details).numpy(), plane, atol=1e-6)


def test_conditions_are_what_numpy_computes():
    y = image(3)[..., 0]
    conditions = lumalocked.LumaConditions(y, 2, 1.5, torch.device("cpu"))
    luma = LumaPyramid(y[:, None].astype(np.float32), 2)
    for level, side in ((1, 8), (2, 4)):
        mean = np.random.default_rng(level).standard_normal((1, 2, side, side), np.float32) * 20
        expected = luma.condition(level, mean, 1.5)
        np.testing.assert_allclose(conditions.at(level, torch.from_numpy(mean)).numpy(), expected, atol=1e-6)
    assert conditions.coarsest == (4, 4)


def test_rounding_passes_gradients_straight_through():
    values = torch.tensor([-0.4, 0.2, 1.7, 255.3], requires_grad=True)
    rounded = lumalocked.straight_through_round(values)
    assert rounded.tolist() == [0, 0, 2, 255]
    rounded.sum().backward()
    assert values.grad.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("kind", ["pyramid", "lab"])
def test_a_round_trip_is_painting_and_reading_with_gradients(kind, monkeypatch):
    network = untrained(kind, monkeypatch)
    rgb = np.stack([stripes(i, 16, 16) for i in range(2)])
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.standard_normal((2, network.dimensions(16)), np.float32))
    roots = network.draw_roots(2, rng)
    read, overshoot, energy = network.round_trip(rgb, z, roots)
    with torch.no_grad():
        container = network.paint(rgb, z, roots).rgb
        expected = network.read(network.inputs(container))[0]
    assert energy.item() == pytest.approx(chroma_energy(container), rel=0.02)
    assert (read - z).abs().mean() > 1e-3  # rounding took its share
    # a green of two candidates is the only thing that may differ, and in Lab a pixel near one half
    assert ((read - expected).abs() < 1e-2).float().mean() > 0.98
    ((read - z).square().mean() + overshoot + energy).backward()
    gradients = [p.grad for p in network.parameters() if p.requires_grad]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert sum(g.abs().sum() for g in gradients) > 0


def untrained(kind, monkeypatch):
    """A tiny network whose couplings do something."""
    from training_runs import LAB, PYRAMID

    from stegcinn.training.cinn import build
    from stegcinn.training.cinn.vgg import VGGFeatures

    torch.manual_seed(0)
    monkeypatch.setattr(build, "vgg_weights", lambda config: VGGFeatures(4).state_dict())
    network = build_flow(tiny(LAB if kind == "lab" else PYRAMID))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    return network.eval()
