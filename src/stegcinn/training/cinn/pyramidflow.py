"""Steg-cINN: one conditional flow per scale, thirty affine couplings in all.

The finest scales have a flow each; the last one is shared by its own scale and every coarser one, so that photos of any
size can be coloured from a single mean colour upwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from stegcinn.codecs.cinn.pyramid import CONDITION, DETAILS
from stegcinn.training.cinn.flow import LevelFlow


@dataclass(frozen=True)
class CINNConfig:
    """Architecture of the network: one entry per flow, finest scale first."""

    couplings: tuple[int, ...] = (10, 10, 10)  # 30 affine coupling layers, as the paper has
    features: tuple[int, ...] = (40, 48, 48)
    hidden: tuple[int, ...] = (40, 48, 48)


class CINN(nn.Module):
    """The flows of all scales; `flows[0]` is the finest."""

    def __init__(self, config: CINNConfig) -> None:
        super().__init__()
        self.config = config
        self.flows = nn.ModuleList(
            LevelFlow(DETAILS, CONDITION, couplings=c, features=f, hidden=h, seed=1000 * i)
            for i, (c, f, h) in enumerate(zip(config.couplings, config.features, config.hidden, strict=True))
        )

    def flow(self, level: int) -> LevelFlow:
        """The flow of pyramid level 1, 2, ...; levels beyond the last flow share it."""
        flow = self.flows[min(level, len(self.flows)) - 1]
        assert isinstance(flow, LevelFlow)
        return flow

    def forward(self, details: list[Tensor], conditions: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Latents and log-determinants of levels 1, 2, ...: each (N, 6, h, w) and (N,)."""
        return [self.flow(i + 1)(x, c) for i, (x, c) in enumerate(zip(details, conditions, strict=True))]
