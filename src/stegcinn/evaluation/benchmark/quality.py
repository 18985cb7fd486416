"""One row of the table of methods: how much comes back, how exactly, how close to the host and how natural it looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.cinn.lattice import CARRIERS, Lattice
from stegcinn.codecs.cinn.painter import chroma_of, coarse_of, released
from stegcinn.codecs.cinn.pyramid import DETAILS, LumaPyramid, merge
from stegcinn.errors import CapacityError, StegcinnError
from stegcinn.evaluation.benchmark.containers import SAFE
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.evaluation.benchmark.learnt import bch_accuracy, net_share
from stegcinn.evaluation.benchmark.paper import Hide
from stegcinn.evaluation.metrics.brisque import brisque
from stegcinn.evaluation.metrics.fidelity import chroma_energy, colourfulness, fidelity
from stegcinn.evaluation.metrics.hyperiqa import HyperIQA, hyperiqa
from stegcinn.evaluation.metrics.naturalness import naturalness
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.envelope import Payload

Judge = Callable[[UInt8], float]


def no_reference_measures(hyperiqa_model: HyperIQA | None) -> dict[str, Judge]:
    """No-reference measures of one image by name; HyperIQA only where its weights are at hand."""
    found: dict[str, Judge] = {
        "brisque": brisque, "naturalness": naturalness, "colourfulness": colourfulness, "chroma_energy": chroma_energy,
    }  # fmt: skip
    if hyperiqa_model is not None:
        found["hyperiqa"] = lambda rgb: hyperiqa(hyperiqa_model, rgb, np.random.default_rng(0))
    return found


def appearance(covers: UInt8, stegos: UInt8, measures: dict[str, Judge]) -> dict[str, float]:
    """Means over pairs (N, H, W, 3): distance of stego and cover, and each no-reference measure of both.

    Flat images, for which BRISQUE is not defined, are left out of its mean. PSNR is of the mean squared error.
    """
    pairs = [fidelity(cover, stego_) for cover, stego_ in zip(covers, stegos, strict=True)]
    errors = [255**2 / 10 ** (pair.psnr / 10) for pair in pairs]  # of an unchanged image: 0
    error = float(np.mean(errors))
    row = {
        "psnr": 10 * math.log10(255**2 / error) if error else math.inf,
        "ssim": float(np.mean([pair.ssim for pair in pairs])),
        "ciede2000": float(np.mean([pair.ciede2000 for pair in pairs])),
        "changed": float(np.mean([pair.changed for pair in pairs])),
    }
    for name, judge in measures.items():
        row[name] = _mean(judge, stegos)
        row[f"{name}_host"] = _mean(judge, covers)
    return {name: round(value, 4) for name, value in row.items()}


def _mean(judge: Judge, images: UInt8) -> float:
    values = []
    for image in images:
        try:
            values.append(judge(image))
        except ValueError:  # not defined for this image
            continue
    return float(np.mean(values)) if values else math.nan


def codec_row(method: str, load: float | str, hosts: ImageSet, seed: int) -> tuple[dict[str, Any], ImageSet]:
    """Hide a random payload in every host through the public path, save, reveal and compare; containers included.

    `load` as an `Embedder` has it; FULL is all that `capacity` promises, SAFE its `safe_bytes`. Hosts without room
    count as 0 net bits; they are no failures, and have no container.
    """
    rng = np.random.default_rng(seed)
    bits, accuracies, unrounded, failed, no_room, images, names = 0, [], [], 0, 0, [], []
    for name, rgb in zip(hosts.names, hosts.images, strict=True):
        source = Source(rgb)
        if isinstance(load, str):
            room = stego.measure(source, codec=method)
            size = room.safe_bytes if load == SAFE else room.bytes
        else:
            size = int(load * rgb[..., 0].size / 8)
        if not size:
            no_room += 1
            continue
        data = rng.bytes(size)
        try:
            container = stego.conceal(source, Payload(data), codec=method)
            back = stego.uncover(Source(container.file)).data
        except StegcinnError as error:
            refused = isinstance(error, CapacityError) and not isinstance(load, str)  # at full load room was promised
            failed, no_room = failed + (not refused), no_room + refused
            continue
        failed += back != data
        bits += 8 * size * (back == data)
        accuracies.append(container.raw_accuracy)
        if method == "cinn":
            unrounded.append(unrounded_accuracy(rgb, rng))
        images.append(np.asarray(container))
        names.append(name)
    pixels = hosts.images[0, ..., 0].size
    net = bits / (pixels * len(hosts.names))
    gross = net if method != "cinn" else DETAILS * sum(4.0**-level for level in range(1, CARRIERS + 1))
    row = {
        "bpp": round(gross, 4), "net_bpp": round(net, 4), "failed_files": failed, "no_room": no_room,
        "files": len(hosts.names),
        "accuracy_unrounded": _share(unrounded) if method == "cinn" else 1.0,  # elsewhere nothing is ever rounded
        "accuracy_rounded": _share(accuracies),
        "accuracy_bch": _share([bch_accuracy(accuracy, round(gross * pixels)) for accuracy in accuracies]),
    }  # fmt: skip
    return row, ImageSet(tuple(names), np.stack(images)) if images else ImageSet((), hosts.images[:0])


def unrounded_accuracy(rgb: UInt8, rng: np.random.Generator) -> float:
    """Share of random signs that the flow of `cinn` gives back when colours stay real numbers."""
    painter = released()
    lattice = Lattice(luma_of(rgb))
    right, total = 0, 0
    for tile in lattice.tiles:
        luma = lattice.luma[tile.at(0)]
        mean = coarse_of(chroma_of(luma, rgb[tile.at(0)]))
        pyramid = LumaPyramid(luma[None].astype(np.float32), CARRIERS)
        shapes = [(DETAILS, luma.shape[0] >> level, luma.shape[1] >> level) for level in range(1, CARRIERS + 1)]
        latents = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        for level in range(CARRIERS, 0, -1):
            condition = pyramid.condition(level, mean, painter.noise)
            mean = merge(mean, painter.details(level, latents[level - 1], condition))
        for level, z in enumerate(painter.forward(luma, mean), start=1):
            live = lattice.live[level - 1][tile.at(level)]
            right += int(((z > 0) == (latents[level - 1] > 0))[:, live].sum())
            total += DETAILS * int(live.sum())
    return right / max(1, total)


def learnt_row(hide: Hide, hosts: ImageSet, seed: int) -> tuple[dict[str, Any], ImageSet]:
    """The same for what was trained in the benchmark: `net_bpp` is what an error-correcting code leaves."""
    result = hide(hosts, seed)
    positions = round(result.bpp * hosts.images[0, ..., 0].size)
    net = [net_share(accuracy, positions) for accuracy in result.rounded]
    row = {
        "bpp": round(result.bpp, 4), "net_bpp": round(result.bpp * float(np.mean(net)), 4),
        "failed_files": sum(share == 0 for share in net), "files": len(net),
        "accuracy_unrounded": _share(result.unrounded), "accuracy_rounded": _share(result.rounded),
        "accuracy_bch": _share([bch_accuracy(accuracy, positions) for accuracy in result.rounded]),
    }  # fmt: skip
    return row, ImageSet(hosts.names, result.images)


def _share(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
