"""How well a network hides: raw accuracy with and without rounding, and net capacity after error correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from stegcinn.codecs.cinn import mapping
from stegcinn.codecs.cinn.codec import DRAW_SPREAD, NOISE_FLOOR, NOISE_GAIN, OUTLIERS
from stegcinn.codecs.cinn.painter import REPAIR_MARGIN
from stegcinn.coding import ldpc
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.training.cinn.trainables import Network, Painting, chroma_energy

Bits = npt.NDArray[np.uint8]

AT_ONCE = 16  # images painted and read at a time
REPAIRS = 2  # times the sender paints again
DITHERS = 2  # reads with another rounding error, from which noise is estimated


@dataclass(frozen=True)
class Scores:
    """What one network reaches on some hosts; accuracy is the share of latents whose sign reads back right."""

    accuracy_unrounded: float
    accuracy_rounded: float
    accuracy_repaired: float  # after the sender read its container, moved what came out wrong, and painted again
    net_bpp: float  # of repaired containers: bits that decode without error, over pixels; a failed image counts as 0
    clipped: float  # share of pixels that had to be moved into the RGB cube
    chroma_energy_ratio: float  # mean square of R - Y and B - Y, containers over hosts


@dataclass(frozen=True)
class Probe:
    """The part of `Scores` that one painting tells."""

    accuracy_rounded: float
    clipped: float
    chroma_energy_ratio: float


@dataclass(frozen=True)
class Trial:
    """One draw of latents (N, D), the containers, and what was read from them; `painting` is of the first painting."""

    z: Float32
    painting: Painting
    unrounded: Float32
    rounded: Float32
    repaired: Float32
    sigma: Float32  # noise of `repaired` as the receiver estimates it


def magnitudes(shape: tuple[int, ...], alpha: float, rng: np.random.Generator) -> Float32:
    """|z| as Algorithm 1 draws it: of N(0, 1), given |z| > alpha; faster than `mapping` draws from a key's bytes."""
    size = np.abs(rng.standard_normal(shape, np.float32))
    while (short := size <= alpha).any():
        size[short] = np.abs(rng.standard_normal(int(short.sum()), np.float32))
    return size


def hidden(
    network: Network, hosts: UInt8, signs: Float32, alpha: float, rng: np.random.Generator
) -> tuple[Float32, Painting]:
    """Latents (N, D) with these signs, drawn by Algorithm 1, and the containers painted from them."""
    z = magnitudes(signs.shape, alpha, rng) * signs
    return z, network.paint(hosts, torch.from_numpy(z), network.draw_roots(len(hosts), rng))


@torch.no_grad()
def embed(network: Network, hosts: UInt8, bits: Bits, alpha: float, rng: np.random.Generator) -> Trial:
    """Bits (N, D) into latents, colours, 8-bit images, and back into latents."""
    parts = []
    for start in range(0, len(hosts), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        signs = np.where(bits[part] == 1, np.float32(1), np.float32(-1))
        parts.append(_embed(network, hosts[part], signs, alpha, rng))
    painting = Painting(
        np.concatenate([p.painting.rgb for p in parts]), (), np.concatenate([p.painting.clipped for p in parts])
    )
    names = ("unrounded", "rounded", "repaired", "sigma")
    return Trial(
        np.concatenate([p.z for p in parts]), painting,
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names},
    )  # fmt: skip


def _embed(network: Network, hosts: UInt8, signs: Float32, alpha: float, rng: np.random.Generator) -> Trial:
    z, painting = hidden(network, hosts, signs, alpha, rng)
    rounded = repaired = _read(network, painting.rgb)
    rgb = painting.rgb
    for _ in range(REPAIRS):
        # what reads well keeps the value it reads at, so that its pixels stay the integers they are
        moved = signs * np.maximum(repaired * signs, np.float32(REPAIR_MARGIN))
        rgb = network.paint(hosts, torch.from_numpy(moved), network.read_roots(rgb)).rgb
        repaired = _read(network, rgb)
    variance = np.zeros_like(z)
    for _ in range(DITHERS):
        dither = rng.random(rgb.shape, np.float32) - np.float32(0.5)
        variance += np.square(_read(network, rgb, dither) - repaired) / np.float32(DITHERS)
    sigma = np.sqrt(variance) * np.float32(NOISE_GAIN) + np.float32(NOISE_FLOOR)
    return Trial(z, painting, network.read(painting.unrounded)[0].cpu().numpy(), rounded, repaired, sigma)


def _read(network: Network, rgb: UInt8, offset: Float32 | None = None) -> Float32:
    """Finite latents of saved images."""
    z: Float32 = np.nan_to_num(network.read(network.inputs(rgb, offset))[0].cpu().numpy())
    return z


@torch.no_grad()
def probe(network: Network, hosts: UInt8, alpha: float, rng: np.random.Generator) -> tuple[Probe, UInt8]:
    """The figures that guard a round, and the containers they are taken from."""
    signs = np.where(rng.random((len(hosts), network.dimensions(hosts.shape[1]))) < 0.5, np.float32(-1), np.float32(1))
    z, painting = hidden(network, hosts, signs, alpha, rng)
    accuracy = float(((_read(network, painting.rgb) >= 0) == (z >= 0)).mean())
    ratio = chroma_energy(painting.rgb) / max(chroma_energy(hosts), 1e-9)
    return Probe(accuracy, float(painting.clipped.mean()), ratio), painting.rgb


def evaluate(network: Network, hosts: UInt8, alpha: float, rng: np.random.Generator) -> tuple[Scores, Trial]:
    """Scores on (N, size, size, 3) hosts, and the trial with random bits that most of them are taken from.

    Net capacity: the first draw tells, per image, which rate of the LDPC code holds; a second draw carries code words
    of that rate over permuted positions, which are decoded with soft decisions. How noisy a latent is, the receiver
    learns by adding rounding noise once more, as codec `cinn` does.
    """
    network.eval()
    size = network.dimensions(hosts.shape[1])
    bits = rng.integers(0, 2, (len(hosts), size), np.uint8)
    trial = embed(network, hosts, bits, alpha, rng)

    def accuracy(z: Float32) -> float:
        return float(((z >= 0) == bits).mean())

    scores = Scores(
        accuracy_unrounded=accuracy(trial.unrounded),
        accuracy_rounded=accuracy(trial.rounded),
        accuracy_repaired=accuracy(trial.repaired),
        net_bpp=_net_bits(network, hosts, trial, bits, alpha, rng) / hosts[..., 0].size,
        clipped=float(trial.painting.clipped.mean()),
        chroma_energy_ratio=chroma_energy(trial.painting.rgb) / chroma_energy(hosts),
    )
    return scores, trial


def _soft(trial: Trial, image: int, alpha: float) -> Float32:
    return mapping.log_likelihood_ratio(trial.repaired[image], trial.sigma[image], alpha=alpha, outliers=OUTLIERS)


def _net_bits(network: Network, hosts: UInt8, trial: Trial, bits: Bits, alpha: float, rng: np.random.Generator) -> int:
    size = bits.shape[1]
    coded = rng.integers(0, 2, bits.shape, np.uint8)
    order = rng.permutation(size)
    sent: list[tuple[int, ldpc.Plan, Bits]] = []
    for image in range(len(hosts)):
        information = mapping.information(_soft(trial, image, alpha), bits[image])
        rate = ldpc.best_rate(float(information.mean() - DRAW_SPREAD * information.std() / size**0.5), size)
        if rate is None:
            continue
        plan = ldpc.plan(size, rate)
        word = rng.integers(0, 2, plan.info_bits, np.uint8)
        code = ldpc.encode(plan, word)
        coded[image, order[: code.size]] = code
        sent.append((image, plan, word))
    again = embed(network, hosts, coded, alpha, rng)
    net = 0
    for image, plan, word in sent:
        decoded, ok = ldpc.decode(plan, _soft(again, image, alpha)[order[: plan.used]])
        net += plan.info_bits if ok.all() and np.array_equal(decoded, word) else 0
    return net
