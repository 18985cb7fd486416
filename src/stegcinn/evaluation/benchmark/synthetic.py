"""Pairs of the paper's `synthetic-cover` protocol: an image drawn by the network from random numbers, and a container.

Both have colours generated for the same gray-scale. It asks whether a message disturbs what the network draws, not
whether what it draws looks natural.
"""

from __future__ import annotations

import os

import numpy as np

from stegcinn.carriers.base import Source
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Wish, silent
from stegcinn.codecs.cinn import mapping
from stegcinn.codecs.cinn.lattice import CARRIERS, Lattice
from stegcinn.codecs.cinn.painter import Painter, released
from stegcinn.codecs.cinn.pyramid import DETAILS
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import keys

METHODS = ("cinn", "exact")  # codecs that generate colours
GENERATE = Wish("generate")


def synthetic_pairs(hosts: ImageSet, method: str, *, seed: int) -> tuple[ImageSet, ImageSet]:
    """Covers and full containers for the gray-scales of all hosts that take anything."""
    codec = load_codec(method)
    names, covers, stegos = [], [], []
    for index, (name, host) in enumerate(zip(hosts.names, hosts.images, strict=True)):
        rng = np.random.default_rng((seed, index))
        carrier = codec.open(Source(host))
        room = codec.capacity(carrier, GENERATE, silent).most
        if not room:
            continue

        def container(room: int = room, carrier: Photo = carrier, rng: np.random.Generator = rng) -> UInt8:
            key = keys.derive(None, rng.bytes(keys.KEY_SIZE))
            rgb: UInt8 = codec.embed(carrier, rng.bytes(room), key, GENERATE, silent).carrier.rgb
            return rgb

        names.append(name)
        stegos.append(container())
        # `exact` has no other way to draw than from random bits, which is what a container is drawn from
        covers.append(drawn(released(), carrier) if method == "cinn" else container())
    return ImageSet(tuple(names), np.stack(covers)), ImageSet(tuple(names), np.stack(stegos))


def drawn(painter: Painter, host: Photo) -> UInt8:
    """Colours from latents that are all N(0, 1), without the hole of Algorithm 1 and without repair."""
    lattice = Lattice(host.luma)
    coarse = painter.drawn_coarse(lattice, os.urandom)
    painted = host.rgb.copy()
    for tile in lattice.tiles:
        luma = lattice.luma[tile.at(0)]
        shapes = [(DETAILS, luma.shape[0] >> level, luma.shape[1] >> level) for level in range(1, CARRIERS + 1)]
        latents = [mapping.standard_normal(int(np.prod(shape)), os.urandom).reshape(shape) for shape in shapes]
        painted[tile.at(0)] = painter.inverse(luma, coarse[:, *tile.at(CARRIERS)], latents)
    return painted
