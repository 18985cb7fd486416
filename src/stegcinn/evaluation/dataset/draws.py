"""All that is random in a data set: keystreams (ChaCha20) of its seed, one for each purpose.

For this command alone: whoever knows the seed knows every key. Real hiding draws from the system.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.sealing.keys import Keys, Keystream


@dataclass(frozen=True)
class Draws:
    """Random numbers of a seed: the same for the same purpose, unrelated for others."""

    seed: int

    def stream(self, *purpose: object) -> Keystream:
        """Bytes, read piece by piece."""
        return Keystream(self._keys, _name(purpose))

    def generator(self, *purpose: object) -> np.random.Generator:
        """What simulated embedding draws from."""
        return np.random.default_rng(int.from_bytes(self.stream(*purpose)(16), "big"))

    def permutation(self, count: int, *purpose: object) -> npt.NDArray[np.uint32]:
        """A permutation of range(count)."""
        return self._keys.permutation(_name(purpose), count)

    def share(self, *purpose: object) -> float:
        """A number from 0 to 1."""
        return int.from_bytes(self.stream(*purpose)(8), "big") / 2**64

    @property
    def _keys(self) -> Keys:
        return Keys(hashlib.sha256(f"stegcinn dataset, seed {self.seed}".encode()).digest())


def _name(purpose: tuple[object, ...]) -> str:
    """Of one length, whatever names of files are in it."""
    words = "\0".join(map(str, purpose)).encode(errors="surrogateescape")
    return f"dataset {hashlib.sha256(words).hexdigest()}"
