"""How fast someone who has a photo finds the draw of `--halve`, and how much of the host they have then.

python scripts/measure/halved_original.py [--count 5]

Halves a photo that comes with scikit-image as `hide --halve` does, and looks for the edges that were drawn from the
photo and the gray-scale of the half alone, which a container has, too: one edge after the other, by half as much each
time none helps any more.
"""

from __future__ import annotations

import argparse

import numpy as np
from skimage import data

from stegcinn.carriers.photo import MAX_EDGE, Edges, Photo
from stegcinn.errors import ImageError

FINEST = 1e-4  # pixels


def distance(photo: Photo, edges: Edges, half: Photo) -> float:
    """Mean squared difference of gray-scales."""
    try:
        guess = photo.halved(edges)
    except ImageError:
        return np.inf
    if guess.luma.shape != half.luma.shape:
        return np.inf
    return float(np.square(guess.luma.astype(np.float64) - half.luma).mean())


def found(photo: Photo, half: Photo) -> tuple[Edges, int]:
    """The edges that come closest, and in how many tries."""
    rooms = [whole - 2 * side for whole, side in zip(photo.luma.shape, half.luma.shape, strict=True)]
    edges = [max(0.0, (room - 0.5) / 2) for room in 2 * rooms[::-1]]
    least, tries, step = distance(photo, tuple(edges), half), 1, 1.0
    while step > FINEST:
        better = False
        for index in range(4):
            for move in (step, -step):
                moved = list(edges)
                moved[index] = float(np.clip(moved[index] + move, 0, MAX_EDGE))
                now, tries = distance(photo, tuple(moved), half), tries + 1
                if now < least:
                    edges, least, better = moved, now, True
        if not better:
            step /= 2
    return tuple(edges), tries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5, help="draws (default: %(default)s)")
    photo = Photo(data.astronaut())
    for _ in range(parser.parse_args().count):
        half = photo.halved(photo.drawn_edges())
        exact = photo.halved()
        edges, tries = found(photo, half)
        again = photo.halved(edges)
        gray, colours = (again.luma == half.luma).mean(), (again.rgb == half.rgb).all(axis=-1).mean()
        same = exact.rgb.shape == half.rgb.shape and bool((exact.rgb == half.rgb).all())
        print(f"the exact half: {'the same' if same else 'another'}; "
              f"after {tries} tries {gray:.2%} of the gray-scale, {colours:.2%} of the colours")  # fmt: skip


if __name__ == "__main__":
    main()
