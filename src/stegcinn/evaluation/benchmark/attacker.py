"""Attackers who compute statistics of an image, from which a logistic regression decides.

`rich-model` counts residuals of colours, or of the gray-scale, and knows nothing of how anything is hidden. The others
have our public weights and compute what they say about an image: `code-length` is for `exact` and all that lean on its
colour model: bits of each symbol under the image's own calibration and without any, and how much they scatter.
`z-histogram` is for `cinn`: how the latents are distributed, the hole of Algorithm 1 at alpha above all. All are
trained and tested by host like any detector.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.cinn.lattice import Lattice
from stegcinn.codecs.cinn.painter import released
from stegcinn.codecs.exact.header import CODED_PHASES
from stegcinn.codecs.exact.loads import fit
from stegcinn.colourmodel import networks, rangecoder
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.errors import UsageError
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.evaluation.steganalysis import rich
from stegcinn.files import replacing
from stegcinn.runtime.arrays import Float64, UInt8

SIZES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.0, 3.0, np.inf)  # bins of |z|; alpha is 0.1


def statistics(attacker: str, image: UInt8) -> Float64:
    """What an attacker computes from one (H, W, 3) image, or from a gray (H, W, 1) one."""
    if attacker not in ATTACKERS:
        raise UsageError(f"no attacker {attacker!r}; choose from {', '.join(ATTACKERS)}")
    if image.shape[-1] == 3:
        return ATTACKERS[attacker](image)
    if attacker not in GRAY:
        raise UsageError(f"{attacker} needs colours; choose from {', '.join(GRAY)} for gray images")
    return GRAY[attacker](image[..., 0])


def _code_lengths(rgb: UInt8) -> Float64:
    """Per level, calibrated and not: mean bits of R, B and G of a pixel, and how much the bits of pixels scatter."""
    model = networks.released()
    luma = luma_of(rgb)
    fitted = fit(model, Photo(rgb)).calibration  # the sender's own step: an attacker has the program
    found = []
    for chosen in (fitted, Calibration.none()):
        for level in sorted({level for level, _ in CODED_PHASES}):
            tables = model.tables(level).calibrated(chosen.lookup(level))
            sums, squares, pixels = np.zeros(3), 0.0, 0
            for at, phase in CODED_PHASES:
                for part in model.parts(rgb, luma, at, phase) if at == level else ():
                    bits, squared = rangecoder.information(tables, part.tile, part.rgb)
                    sums, squares, pixels = sums + bits, squares + squared, pixels + part.tile.luma.size
            spread = max(0.0, squares / pixels - (sums.sum() / pixels) ** 2) ** 0.5
            found += [*(sums / pixels), spread]
    shifts = np.frombuffer(fitted.to_bytes(), np.int8)
    return np.concatenate([found, shifts.astype(np.float64)])


def _latent_sizes(rgb: UInt8) -> Float64:
    """Per level: shares of |z| in the bins of SIZES at places that may carry bits."""
    painter = released()
    lattice = Lattice(luma_of(rgb))
    shares = []
    for z, live in zip(painter.latents(rgb, lattice), lattice.live, strict=True):
        counts = np.histogram(np.abs(z[:, live]), SIZES)[0]
        shares.append(counts / max(1, counts.sum()))
    return np.concatenate(shares)


ATTACKERS: dict[str, Callable[[UInt8], Float64]] = {
    "rich-model": rich.features, "code-length": _code_lengths, "z-histogram": _latent_sizes,
}  # fmt: skip
GRAY: dict[str, Callable[[UInt8], Float64]] = {"rich-model": rich.gray_features}  # who sees gray images too


def cached_statistics(images: ImageSet, attacker: str, cache: Path) -> Float64:
    """`statistics` of all images, (N, features), kept in the folder `cache` for every seed."""
    path = cache / f"{images.digest}-{attacker}.npy"
    if path.exists():
        return cast(Float64, np.load(path, allow_pickle=False))
    found = np.stack([statistics(attacker, image) for image in images.images])
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, found)
    return found
