"""Stegos of a set of hosts by any embedder, made once and kept on disk for every detector and seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from stegcinn.carriers.base import Source
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import Wish, silent
from stegcinn.errors import CapacityError, UsageError
from stegcinn.evaluation.baselines import cmdc, gina, graykeeping, hill, lsb, mipod, suniward
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import keys

SIMULATED = {
    "lsb": lsb.embed, "lsb-coded": lsb.embed_coded, "hill": hill.embed, "hill-cmd": cmdc.embed, "hill-gina": gina.embed,
    "suniward": suniward.embed, "mipod": mipod.embed, "hou": graykeeping.embed,
}  # fmt: skip
FULL, SAFE = "full", "safe"
KEEP = Wish("keep")
Embed = Callable[[UInt8, np.random.Generator], UInt8]


@dataclass(frozen=True)
class Embedder:
    """A method and its load: bits per pixel of the image, or FULL for all that an image takes, or SAFE of it."""

    method: str
    load: float | str

    @classmethod
    def parse(cls, text: str) -> Embedder:
        """From "hill@0.4", "exact@full" or "stealth@safe"; UsageError for what there is not."""
        methods = (*SIMULATED, *CODECS)
        match = re.fullmatch(r"([a-z-]+)@(full|safe|\d+(?:\.\d+)?)", text)
        if match is None or match[1] not in methods:
            raise UsageError(f"no embedder {text!r}; say METHOD@LOAD, a method of {', '.join(methods)}, bits per pixel")
        if match[2] not in (FULL, SAFE):
            return cls(match[1], float(match[2]))
        if match[1] in SIMULATED:
            raise UsageError(f"{match[1]} has no {match[2]} load; say how many bits per pixel")
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.method}@{self.load}"

    def function(self) -> Embed:
        """What makes a stego of an (H, W, 3) host; it raises CapacityError if the host does not take the load."""
        if self.method in SIMULATED:
            assert not isinstance(self.load, str)
            return partial(_simulate, SIMULATED[self.method], self.load)
        return partial(_hide, self.method, self.load)


def _simulate(embed: Callable[[UInt8, float, np.random.Generator], UInt8], load: float, host: UInt8,
              rng: np.random.Generator) -> UInt8:  # fmt: skip
    return embed(host, load, rng)


def _hide(method: str, load: float | str, host: UInt8, rng: np.random.Generator) -> UInt8:
    """A container with random bytes of exactly the load; its other random draws are the system's, as in real use."""
    codec = load_codec(method)
    carrier = codec.open(Source(host))
    if isinstance(load, str):
        room = codec.capacity(carrier, KEEP, silent)
        size = room.safe if load == SAFE else room.most
        if not size:
            raise CapacityError(1, 0)
    else:
        size = round(load * host[..., 0].size / 8)
    key = keys.derive(None, rng.bytes(keys.KEY_SIZE))  # a detector has no key: any will do
    rgb: UInt8 = codec.embed(carrier, rng.bytes(size), key, KEEP, silent).carrier.rgb
    return rgb


def make_stegos(
    hosts: ImageSet, embedder: Embedder, *, seed: int, report: Callable[[str], None] = lambda line: None
) -> ImageSet:
    """Stegos of all hosts that take the load, one random generator for each host."""
    embed = embedder.function()
    names, images = [], []
    for index, (name, host) in enumerate(zip(hosts.names, hosts.images, strict=True)):
        try:
            images.append(embed(host, np.random.default_rng((seed, index))))
            names.append(name)
        except CapacityError:
            continue
        if (index + 1) % 100 == 0:
            report(f"{embedder}: {index + 1} of {len(hosts.names)} hosts")
    if not names:
        raise UsageError(f"no host takes {embedder}")
    return ImageSet(tuple(names), np.stack(images))


def cached_stegos(
    hosts: ImageSet, embedder: Embedder, cache: Path, *, seed: int, report: Callable[[str], None] = lambda line: None
) -> ImageSet:
    """`make_stegos`, read from the folder `cache` if they were made before for the very same hosts."""
    path = cache / hosts.digest / f"{embedder}-{seed}.npz"
    if path.exists():
        return ImageSet.load(path)
    stegos = make_stegos(hosts, embedder, seed=seed, report=report)
    stegos.save(path)
    return stegos


def paired(hosts: ImageSet, stegos: ImageSet) -> tuple[tuple[str, ...], UInt8, UInt8]:
    """Names, covers and stegos of the hosts that have a stego, in the hosts' order."""
    place = {name: index for index, name in enumerate(stegos.names)}
    kept = [index for index, name in enumerate(hosts.names) if name in place]
    if not kept or hosts.images.shape[1:] != stegos.images.shape[1:]:
        raise UsageError("hosts and stegos share no photo of one size")
    names = tuple(hosts.names[index] for index in kept)
    return names, hosts.images[kept], stegos.images[[place[name] for name in names]]
