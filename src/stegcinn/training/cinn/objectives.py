"""What a training step minimises: the likelihood of stage 1, and the forms of stage 2 (paper, Algorithm 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stegcinn.runtime.arrays import UInt8
from stegcinn.training.cinn.config import RoundsConfig
from stegcinn.training.cinn.trainables import Inputs, Network, Trainable, chroma_energy

ROBUST = 1.0  # |z' - z| beyond which an error counts linearly: a clipped pixel must not outweigh all others


@dataclass(frozen=True)
class Step:
    """What one step learns from; made by a thread that loads data."""

    rgb: UInt8  # photos (N, H, W, 3), for stage 2 the hosts
    photos: Inputs | None = None  # the same, dequantised
    z: Tensor | None = None  # latents to hide, (N, D)
    roots: np.ndarray | None = None


def prepare(network: Trainable, rgb: UInt8, rounds: RoundsConfig | None, rng: np.random.Generator) -> Step:
    """A step of stage 1 (`rounds` None) or 2 on photos (N, H, W, 3)."""
    if rounds is None:
        return Step(rgb, network.prepare(rgb, rng))
    assert isinstance(network, Network)
    z = torch.from_numpy(rng.standard_normal((len(rgb), network.dimensions(rgb.shape[1])), np.float32))
    photos = None if rounds.form == "printed" else network.prepare(rgb, rng)
    return Step(rgb, photos, z, network.draw_roots(len(rgb), rng))


def outside(ratio: Tensor, low: float, high: float) -> Tensor:
    """Square of the logarithm by which `ratio`, above 0, is beyond one of its bounds; no lower one if that is 0."""
    above = (ratio / high).clamp(min=1).log()
    below = (low / ratio.clamp(min=1e-3)).clamp(min=1).log() if low > 0 else torch.zeros_like(ratio)
    return above.square() + below.square()


class Likelihood(nn.Module):
    """Stage 1: L1 = -log N(z; 0, I) |det dz/dc|, in nats per dimension."""

    def __init__(self, network: Trainable) -> None:
        super().__init__()
        self.network = network

    def forward(self, step: Step) -> dict[str, Tensor]:
        assert step.photos is not None
        loss, parts = self.network.losses(step.photos)
        return {"loss": loss, "nll": torch.stack(parts).mean()}


class Rounds(nn.Module):
    """Stage 2 on one network R; `hider` is the frozen H of the round.

    printed: L2 = NLL(c'; L') + weight ||z - z'||_2 on containers of H, as Algorithm 3 has it. The norm is taken per
    image over the square root of its dimension, which puts both terms on one scale.
    anchored: the first term is the likelihood of photos instead, so that containers cannot pull the model along.
    straight-through: every step is a round. R itself paints, and gradients pass through painting, rounding and
    reading; the likelihood of photos stays, and colours that leave the RGB cube are charged for, as are those that
    become paler or louder than the guards allow: the likelihood hardly feels either.
    """

    def __init__(self, network: Network, hider: Network, config: RoundsConfig) -> None:
        super().__init__()
        self.network, self.config = network, config
        self._hider = [hider]  # not a submodule: it has no gradients, and is not DistributedDataParallel's business

    def forward(self, step: Step) -> dict[str, Tensor]:
        assert step.z is not None
        assert step.roots is not None
        z = step.z.to(next(self.network.parameters()).device)
        form = self.config.form
        out: dict[str, Tensor] = {}
        if form == "straight-through":
            trip = self.network.round_trip(step.rgb, step.z, step.roots)
            read, config = trip.read, self.config
            distance = nn.functional.huber_loss(read, z, delta=ROBUST)
            ratio = trip.energy / max(chroma_energy(step.rgb), 1.0)
            beyond = outside(ratio, config.min_energy_ratio, config.max_energy_ratio)
            charges = config.overshoot_weight * trip.overshoot + config.energy_weight * beyond
            loss = config.weight * distance + charges
            out |= {"overshoot": trip.overshoot, "energy": ratio}
        else:
            painting = self._hider[0].paint(step.rgb, step.z, step.roots)
            read, nll = self.network.read(self.network.inputs(painting.rgb))
            if form == "printed":
                distance = ((read - z).square().mean(1) + 1e-12).sqrt().mean()
                loss = nll + self.config.weight * distance
            else:
                distance = nn.functional.huber_loss(read, z, delta=ROBUST)
                loss = self.config.weight * distance
            out["container_nll"] = nll
        if step.photos is not None:
            anchor, parts = self.network.losses(step.photos)
            loss = loss + anchor
            out["nll"] = torch.stack(parts).mean()
        accuracy = ((read >= 0) == (z >= 0)).float().mean()  # Algorithm 2
        return {"loss": loss, **out, "distance": distance, "accuracy": accuracy}
