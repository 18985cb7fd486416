"""Fit the measure of naturalness to photos: `src/stegcinn/evaluation/metrics/naturalness.json`.

python scripts/make/naturalness.py PHOTOS [--size 128] [--out FILE]

Of the middle of each photo, as the benchmark cuts its hosts, the sharpest patches count, as in NIQE. Every fourth photo
is left out: their scores are told, beside those of the same photos with the colours of another, and with noise in them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from stegcinn.evaluation.benchmark.hosts import read_hosts
from stegcinn.evaluation.metrics import naturalness
from stegcinn.files import replacing
from stegcinn.runtime.arrays import UInt8

OUT = Path("src/stegcinn/evaluation/metrics/naturalness.json")
LEFT_OUT = 4
DIGITS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder")
    parser.add_argument("--size", type=int, default=128, help="pixels a side (default: 128)")
    parser.add_argument("--out", type=Path, default=OUT)
    a = parser.parse_args()
    hosts = read_hosts(a.photos, count=None, size=a.size)
    test = np.arange(len(hosts.names)) % LEFT_OUT == 0
    found = []
    for rgb in hosts.images[~test]:
        sharp = naturalness.sharpness(rgb)
        found.append(naturalness.features(rgb)[sharp >= naturalness.SHARP * sharp.max()])
    patches = np.concatenate(found)
    mean, covariance = patches.mean(0), np.cov(patches.T)
    facts = {
        "photos": int((~test).sum()), "patches": len(patches), "size": a.size,
        "mean": [float(f"{value:.{DIGITS}g}") for value in mean],
        "covariance": [float(f"{value:.{DIGITS}g}") for value in covariance[np.triu_indices(len(mean))]],
    }  # fmt: skip
    with replacing(a.out) as temporary:
        temporary.write_text(json.dumps(facts) + "\n")
    print(f"fitted to {facts['patches']:,} patches of {facts['photos']:,} photos")
    naturalness.released.cache_clear()
    tell(hosts.images[test])


def tell(images: UInt8) -> None:
    """Scores of photos that were left out, and of what is done to their colours, luma kept but for rounding."""
    rng = np.random.default_rng(0)
    luma = naturalness.opponents(images.reshape(1, -1, 3))[0].reshape(images.shape[:3])[..., None]
    chroma = images - luma
    changes = {
        "photos": images,
        "colours of another": luma + np.roll(chroma, 1, axis=0),
        "noise of 4 levels in the colours": luma + chroma + _colour_noise(rng, images.shape, 4.0),
        "half of the colours": luma + chroma / 2,
    }  # fmt: skip
    plain = None
    for name, changed in changes.items():
        scores = np.array([naturalness.naturalness(rgb) for rgb in np.clip(np.rint(changed), 0, 255).astype(np.uint8)])
        plain = scores if plain is None else plain
        higher = (scores > plain).mean() + 0.5 * (scores == plain).mean()
        print(
            f"{name:34} median {np.median(scores):.2f}, mean {scores.mean():.2f}; higher than the photo: {higher:.1%}"
        )


def _colour_noise(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> np.ndarray:
    noise = rng.normal(0, strength, shape)
    return noise - (noise @ np.array([0.299, 0.587, 0.114]))[..., None]


if __name__ == "__main__":
    main()
