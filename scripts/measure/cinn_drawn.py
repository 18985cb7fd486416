"""What it costs `cinn` to paint containers that are plain draws of its network: no hole at zero, and no repair.

python scripts/measure/cinn_drawn.py FOLDER

By the protocol `synthetic-cover`: covers are painted from latents of N(0, 1), containers as they ship, or as plain
draws whose latents merely have the signs that the bits ask for; both for the gray-scale of the same photo, with colours
generated. Net bits are those that the codec's own code leaves at the information it measures; photos without room count
as 0. The attacker is the rich model of colours, and of gray-scale, under an ensemble of linear discriminants; each
photo is tested once a seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from alpha import described
from joblib import Parallel, delayed

from stegcinn.carriers.base import Source
from stegcinn.codecs.base import Colors, Progress, Wish, silent
from stegcinn.codecs.cinn import mapping
from stegcinn.codecs.cinn.codec import CinnCodec
from stegcinn.codecs.cinn.lattice import CARRIERS, Lattice
from stegcinn.codecs.cinn.painter import Bits, Painter, released
from stegcinn.evaluation.benchmark.hosts import read_hosts
from stegcinn.evaluation.benchmark.synthetic import GENERATE, drawn
from stegcinn.evaluation.steganalysis import ensemble
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import keys
from stegcinn.sealing.keys import RandomBytes


class Drawing(Painter):
    """Paints what the network draws, and leaves it as it is."""

    def paint(
        self, rgb: UInt8, lattice: Lattice, bits: Bits, colors: Colors, random: RandomBytes, progress: Progress
    ) -> UInt8:
        """See `Painter.paint`; colours are generated. Where no bits are asked for, latents are drawn all the same."""
        painted, coarse = rgb.copy(), self.drawn_coarse(lattice, random)
        signs = lattice.scatter((2 * bits.astype(np.int8) - 1).astype(np.int8))
        for tile in lattice.tiles:
            latents = []
            for level, whole in enumerate(signs, start=1):
                wanted = whole[:, *tile.at(level)]
                z = mapping.standard_normal(wanted.size, random).reshape(wanted.shape)
                latents.append(np.where(wanted == 0, z, np.abs(z) * wanted))
            painted[tile.at(0)] = self.inverse(lattice.luma[tile.at(0)], coarse[:, *tile.at(CARRIERS)], latents)
        progress(1.0)
        return painted


WAYS = {"as it ships": Painter, "plain draws": Drawing}


def trip(rgb: UInt8, way: str, seed: tuple[int, int]) -> tuple[float, UInt8, UInt8] | None:
    """Net bits per pixel, a cover and a container; None for a photo without room."""
    rng, codec = np.random.default_rng(seed), CinnCodec(released().release)
    codec.painter = WAYS[way](released().release)
    photo = codec.open(Source(rgb))
    room = codec.capacity(photo, GENERATE, silent).most
    if not room:
        return None
    key = keys.derive(None, rng.bytes(keys.KEY_SIZE))
    container = codec.embed(photo, rng.bytes(room), key, Wish("generate", random=rng.bytes), silent).carrier.rgb
    return 8 * room / photo.pixels, drawn(released(), photo), container


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="photos")
    parser.add_argument("--size", type=int, default=128, help="pixels: the middle square of each photo")
    parser.add_argument("--halve", action="store_true", help="scale the photos down to half first")
    parser.add_argument("--count", type=int, default=2000, help="photos")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    a = parser.parse_args()
    hosts = read_hosts(a.folder, count=a.count, size=a.size, halve=a.halve).images
    print(f"{len(hosts)} hosts\n| containers | with room | net bits per pixel | told in colour | told in gray |")
    print("|---|---|---|---|---|")
    for number, way in enumerate(WAYS):
        found = Parallel(a.jobs)(delayed(trip)(rgb, way, (number, at)) for at, rgb in enumerate(hosts))
        rows = [row for row in found if row is not None]
        net = sum(row[0] for row in rows) / len(hosts)
        covers, stegos = (described(np.stack([row[part] for row in rows])) for part in (1, 2))
        told = [str(ensemble.detect(covers[kind], stegos[kind], range(a.seeds))) for kind in covers]
        print(f"| {way} | {len(rows)} | {net:.2f} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
