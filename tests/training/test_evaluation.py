"""Scores: what they say of networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stegcinn.training.cinn.evaluation import embed, evaluate, magnitudes, probe
from stegcinn.training.cinn.trainables import Network, Painting, chroma_energy

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 64


class Direct(Network):
    """Red and blue are 128 plus the latents, `gain` levels per unit: rounding is all that is lost."""

    def __init__(self, gain, wrong=0.0):
        super().__init__()
        self.gain, self.wrong = gain, wrong
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def dimensions(self, size):
        return 2 * size * size

    def prepare(self, rgb, rng):
        raise NotImplementedError

    losses = round_trip = prepare

    def draw_roots(self, count, rng):
        return np.zeros((count, 0), np.float32)

    def read_roots(self, rgb):
        return np.zeros((len(rgb), 0), np.float32)

    def inputs(self, rgb, offset=None):
        planes = rgb[..., [0, 2]].astype(np.float32) + (0 if offset is None else offset[..., [0, 2]])
        return (torch.from_numpy((planes - 128) / np.float32(self.gain)).flatten(1),)

    def read(self, inputs):
        return inputs[0], torch.zeros(())

    def paint(self, rgb, z, roots):
        colours = 128 + self.gain * z.numpy().reshape(len(rgb), SIZE, SIZE, 2)
        out = np.full(rgb.shape, 128, np.uint8)
        out[..., [0, 2]] = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
        outside = ((colours < -0.5) | (colours > 255.5)).any(-1).mean((1, 2))
        return Painting(out, (z,), outside.astype(np.float32))


def hosts():
    return np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)


def test_a_network_that_rounding_does_not_touch_is_perfect():
    scores, trial = evaluate(Direct(30.0), hosts(), 0.1, np.random.default_rng(0))
    assert scores.accuracy_unrounded == scores.accuracy_rounded == scores.accuracy_repaired == 1
    assert 1.85 < scores.net_bpp < 2
    assert scores.chroma_energy_ratio == pytest.approx(chroma_energy(trial.painting.rgb) / chroma_energy(hosts()))
    assert abs(trial.z).min() > 0.1
    assert trial.sigma.max() < 0.1


def test_rounding_costs_accuracy_and_repair_wins_it_back():
    scores, trial = evaluate(Direct(2.0), hosts(), 0.0, np.random.default_rng(0))
    wrong = np.mean(np.rint(2 * trial.z) * np.sign(trial.z) < 0) + np.mean((np.rint(2 * trial.z) == 0) & (trial.z < 0))
    assert scores.accuracy_rounded == pytest.approx(1 - wrong, abs=1e-3)
    assert scores.accuracy_rounded < 0.95 < 0.999 < scores.accuracy_repaired
    assert scores.accuracy_unrounded == 1
    assert 1.3 < scores.net_bpp < 2


def test_clipped_pixels_are_counted():
    scores, _ = evaluate(Direct(128.0), hosts(), 0.1, np.random.default_rng(0))
    assert scores.clipped == pytest.approx(1 - (1 - 0.3448) ** 2, abs=0.02)  # |z| > 1 given |z| > 0.1, in either


def test_noise_beyond_the_code_carries_nothing():
    scores, _ = evaluate(Direct(0.2), hosts(), 0.0, np.random.default_rng(0))
    assert scores.accuracy_rounded < 0.7
    assert scores.net_bpp < 0.5


def test_a_probe_says_what_scores_do():
    network = Direct(2.0)
    found, containers = probe(network, hosts(), 0.1, np.random.default_rng(3))
    scores, _ = evaluate(network, hosts(), 0.1, np.random.default_rng(3))
    assert found.accuracy_rounded == pytest.approx(scores.accuracy_rounded, abs=0.01)
    assert found.chroma_energy_ratio == pytest.approx(scores.chroma_energy_ratio, rel=0.05)
    assert containers.shape == hosts().shape


def test_many_hosts_are_taken_in_parts():
    many = np.concatenate([hosts()] * 10)
    bits = np.random.default_rng(0).integers(0, 2, (20, 2 * SIZE * SIZE), np.uint8)
    trial = embed(Direct(30.0), many, bits, 0.1, np.random.default_rng(0))
    assert trial.painting.rgb.shape == many.shape
    np.testing.assert_array_equal(trial.rounded >= 0, bits == 1)
    assert trial.unrounded.shape == trial.sigma.shape == bits.shape


def test_magnitudes_are_normal_beyond_the_dead_zone():
    size = magnitudes((100, 1000), 0.5, np.random.default_rng(0))
    assert size.min() > 0.5
    assert size.dtype == np.float32
    # E|z| given |z| > a is phi(a) / (1 - Phi(a))
    assert size.mean() == pytest.approx(0.35207 / 0.30854, abs=0.01)
