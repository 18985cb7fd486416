"""Curves, histograms and sheets of photos as PNG files, drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from stegcinn.files import replacing

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 34, 40
COLOURS = ("#1f5fa8", "#c2452d", "#3f8f4f", "#8a5fb0", "#b8860b")
GRID, INK = "#dddddd", "#333333"
TICKS = 5
FEW = 25  # points that are marked one by one
LEAST_SPAN = 0.05  # of the largest value: what is flatter is noise, and shown flat
MARGIN = 0.05  # of the height, above and below the curves
CAPTION = 20  # pixels
SHOWN_SIDE = 128  # pixels of the photos of a sheet, about: smaller ones are shown larger

Points = Sequence[tuple[float, float]]


def _ticks(low: float, high: float) -> list[float]:
    """About TICKS round numbers within a range."""
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
    return [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def chart(
    title: str, series: Mapping[str, Points], *, x_label: str, span: tuple[float, float] | None = None
) -> Image.Image:
    """Lines over one pair of axes, with a legend; series without a finite point are left out.

    `span`: of the horizontal axis, where it is not that of the points.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    draw.text((LEFT, 8), title, INK, font)
    finite = {name: [p for p in points if all(map(math.isfinite, p))] for name, points in series.items()}
    finite = {name: points for name, points in finite.items() if points}
    if not finite:
        return image
    xs, ys = (np.array([p[axis] for points in finite.values() for p in points]) for axis in (0, 1))
    x0, x1 = span or (float(xs.min()), float(xs.max()))
    x1 = x1 if x1 > x0 else x0 + max(1.0, abs(x0)) * 0.1
    y0, y1 = _padded(float(ys.min()), float(ys.max()))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM),
        )

    for value in _ticks(y0, y1):
        _, y = place(x0, value)
        draw.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID)
        draw.text((LEFT - 8, y), f"{value:.4g}", INK, font, anchor="rm")
    for value in _ticks(x0, x1):
        x, _ = place(value, y0)
        draw.text((x, HEIGHT - BOTTOM + 6), f"{value:g}", INK, font, anchor="mt")
    draw.text((WIDTH - RIGHT, HEIGHT - 6), x_label, INK, font, anchor="rb")
    for i, points in enumerate(finite.values()):
        colour = COLOURS[i % len(COLOURS)]
        draw.line([place(*p) for p in points], colour, width=2)
        for x, y in [place(*p) for p in points] if len(points) <= FEW else []:
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], colour)
    if len(finite) > 1:
        for i, name in enumerate(finite):
            corner = WIDTH - RIGHT, TOP + 2 + 15 * i
            draw.rectangle(draw.textbbox(corner, name, font, anchor="rt"), "white")
            draw.text(corner, name, COLOURS[i % len(COLOURS)], font, anchor="rt")
    return image


def _padded(low: float, high: float) -> tuple[float, float]:
    """A range of the vertical axis in which the curves are not taller than they deserve."""
    least = LEAST_SPAN * max(abs(low), abs(high)) or 1.0
    middle, half = (low + high) / 2, (1 + 2 * MARGIN) * max(high - low, least) / 2
    return middle - half, middle + half


def histogram(title: str, samples: dict[str, npt.NDArray[np.floating]], *, bins: int = 80) -> Image.Image:
    """Densities of samples within -4..4, one line each."""
    series = {}
    for name, values in samples.items():
        density, edges = np.histogram(values, bins, (-4.0, 4.0), density=True)
        series[name] = [(float(x), float(y)) for x, y in zip((edges[:-1] + edges[1:]) / 2, density, strict=True)]
    return chart(title, series, x_label="z")


def stack(images: Sequence[Image.Image], path: Path) -> None:
    """Write images below each other as one PNG file."""
    out = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)), "white")
    top = 0
    for image in images:
        out.paste(image, (0, top))
        top += image.height
    _save(out, path)


def sheet(hosts: npt.NDArray[np.uint8], containers: npt.NDArray[np.uint8], path: Path, *, per_row: int = 4) -> None:
    """Write hosts (N, H, W, 3) with their containers to the right of each, up to `per_row` pairs in a row, as PNG."""
    times = max(1, SHOWN_SIDE // min(hosts.shape[1:3]))
    pairs = np.concatenate([hosts, containers], axis=2).repeat(times, axis=1).repeat(times, axis=2)
    per_row = min(per_row, len(pairs))
    blank = np.full((-len(pairs) % per_row, *pairs.shape[1:]), 255, np.uint8)
    pairs = np.concatenate([pairs, blank])
    rows = [np.concatenate(list(pairs[i : i + per_row]), axis=1) for i in range(0, len(pairs), per_row)]
    photos = Image.fromarray(np.concatenate(rows, axis=0))
    out = Image.new("RGB", (photos.width, photos.height + CAPTION), "white")
    out.paste(photos, (0, CAPTION))
    words = "left: host, right: container"
    ImageDraw.Draw(out).text((4, CAPTION / 2), words, INK, ImageFont.load_default(12), anchor="lm")
    _save(out, path)


def _save(image: Image.Image, path: Path) -> None:
    with replacing(path) as temporary:
        image.save(temporary, "PNG", optimize=True)
