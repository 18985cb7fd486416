"""How a steganalyser is trained, and what it must offer to be trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor, nn


@dataclass(frozen=True)
class Recipe:
    """Everything a training depends on besides the photos, the detector and the seed."""

    epochs: int
    batch: int  # cover and stego pairs per step
    optimizer: Literal["sgd", "adamax"]
    learning_rate: float
    momentum: float = 0.9  # of SGD
    weight_decay: float = 0.0
    decay_head_only: bool = False  # weight decay for the last, fully connected layers alone
    drop: float = 1.0  # the learning rate is multiplied by this ...
    drops: tuple[float, ...] = ()  # ... after each of these shares of the epochs
    again: int | None = None  # epochs of a training that begins with another's weights, if not as many
    augment: bool = False  # flips and quarter turns, the same for both of a pair
    # Training begins with stegos that are easier to see, and goes on to the next after each of these shares of epochs
    eased: tuple[float, ...] = ()
    crop: int | None = None  # pixels: a square of this side, anywhere on a grid, is trained on; tests see all of it

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ValueError("a recipe needs at least one epoch, and one pair in a batch")
        if self.crop is not None and self.crop < 1:
            raise ValueError("a crop has at least one pixel")

    def continued(self) -> Recipe:
        """Of a training that begins with another's weights: these have learnt to see, of easier stegos too."""
        return replace(self, eased=(), epochs=self.again or self.epochs)

    def lesson(self, share: float) -> int:
        """Which stegos are trained on after `share` of the epochs: 0, the easiest, to len(eased), the real ones."""
        return sum(share >= at for at in self.eased)

    def rate(self, share: float) -> float:
        """Learning rate when `share` of the epochs has passed."""
        return self.learning_rate * self.drop ** sum(share >= at for at in self.drops)


class Detector(nn.Module):
    """A binary steganalyser: images (N, P, H, W), float32 0..255, to logits (N, 2) of cover and stego."""

    head: nn.Module  # the last, fully connected layers

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Training loss of images `x` with labels `y` (N,), 0 for covers and 1 for stegos."""
        return nn.functional.cross_entropy(self(x), y)
