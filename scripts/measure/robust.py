"""Measure codec `robust`: whether payloads come through simulated channels, and what they change.

python scripts/measure/robust.py PHOTOS -o docs/results/robust.md [--case NAME ...] [--limit 32]

PHOTOS is a folder of JPEG photos, of which those of 1 to 16 megapixels are taken, in the order of their names. Each
case hides one payload in each photo at its own size, or the channel's, and sends it through every way of the case. A
photo that takes less than the payload counts as lost. PSNR is over RGB, against the same JPEG without payload. Hiding
and revealing are timed without a password, which costs 1.3 seconds more. Rows are kept beside the page, in .jsonl.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import stegcinn
from stegcinn.carriers.base import Source
from stegcinn.carriers.compare import psnr
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Wish

MEGAPIXELS = 1.0, 16.5
Way = Callable[[Image.Image], bytes]


def saved(kind: str = "JPEG", scale: float = 1.0, **options: Any) -> Way:
    """A way that scales a picture and saves it."""

    def send(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        if scale != 1:
            size = round(scale * image.width), round(scale * image.height)
            image = image.resize(size, Image.Resampling.BICUBIC)
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return send


@dataclass(frozen=True)
class Case:
    """A channel, the payload (bytes, or bytes per megapixel), and the ways it is sent."""

    channel: str
    size: int
    ways: dict[str, Way]
    by_area: bool = False
    suffix: str = "jpg"


def known(quality: int) -> dict[str, Way]:
    """The quality, some above it, and other encoders' habits."""
    ways = {f"q{q}": saved(quality=q) for q in (quality - 3, quality, quality + 5, quality + 10, quality + 15)}
    ways[f"q{quality} progressive"] = saved(quality=quality, progressive=True)
    ways[f"q{quality} 4:4:4"] = saved(quality=quality, subsampling=0)
    ways[f"q{quality} 4:2:2"] = saved(quality=quality, subsampling=1)
    return ways


def least(quality: int) -> dict[str, Way]:
    """The quality, and better ones."""
    return {f"q{q}": saved(quality=q) for q in range(quality, 96, 8)}


CASES = {
    "signal": Case("signal", 400, known(70)),
    "whatsapp": Case("whatsapp", 400, known(62)),
    "whatsapp-1000": Case("whatsapp", 1000, known(62)),
    "q62": Case("quality>=62", 768, least(62), by_area=True),
    "q62-png": Case("quality>=62", 768, least(62), by_area=True, suffix="png"),
    "q50": Case("quality>=50", 256, least(50), by_area=True),
    "webp80": Case("webp>=80", 256, {f"WebP {q}": saved("WEBP", quality=q) for q in (80, 90)}, by_area=True),
    "resize": Case(
        "resize=0.6,quality>=75", 64,
        {f"{scale:g}, q75": saved(scale=scale, quality=75) for scale in (0.6, 0.71, 0.85, 1.0, 1.15, 1.3)},
        by_area=True,
    ),
}  # fmt: skip


def measured(path: Path, case: Case) -> dict[str, Any]:
    """What becomes of one photo."""
    host = load_codec("robust").host(Source(path), Wish(channel=case.channel, suffix=f".{case.suffix}"))
    size = round(case.size * host.pixels / 1e6) if case.by_area else case.size
    payload = np.random.default_rng(size).bytes(size)
    row: dict[str, Any] = {"photo": path.name, "pixels": host.pixels, "bytes": size, "ways": {}}
    started = time.perf_counter()
    try:
        container = stegcinn.hide(path, payload, channel=case.channel, format=case.suffix)
    except (stegcinn.CapacityError, stegcinn.SelfCheckError) as error:
        return {**row, "refused": str(error), "ways": dict.fromkeys(case.ways, False)}
    row["hide"] = time.perf_counter() - started
    image, innocent = container.image.convert("RGB"), host.host.image()
    row["psnr"] = psnr(np.asarray(image), np.asarray(innocent))
    row["changed"] = container.changed
    row["reveal"] = 0.0
    for name, send in case.ways.items():
        file = send(image)
        started = time.perf_counter()
        try:
            row["ways"][name] = stegcinn.reveal(file) == payload
        except stegcinn.RevealError:
            row["ways"][name] = False
        row["reveal"] = max(row["reveal"], time.perf_counter() - started)
    return row


def page(rows: dict[str, list[dict[str, Any]]], command: str) -> str:
    """The tables."""
    lines = ["# Codec `robust` through simulated channels", "", f"`{command}`", ""]
    heads = ("case", "channel", "payload", "photos", "refused", "came through", "PSNR, median and least, dB")
    heads += ("hide, median and most, s", "reveal, most, s")
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, found in rows.items():
        case, hidden = CASES[name], [row for row in found if "psnr" in row]
        sends = [came for row in found for came in row["ways"].values()]
        unit = " bytes per megapixel" if case.by_area else " bytes"
        quality, hide, reveal = ([row[key] for row in hidden] or [math.nan] for key in ("psnr", "hide", "reveal"))
        cells = (
            name, f"`{case.channel}` .{case.suffix}", f"{case.size}{unit}", len(found), len(found) - len(hidden),
            f"{sum(sends)} of {len(sends)}", f"{statistics.median(quality):.1f}, {min(quality):.1f}",
            f"{statistics.median(hide):.1f}, {max(hide):.1f}", f"{max(reveal):.1f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "## By way", ""]
    for name, found in rows.items():
        ways = {way: sum(row["ways"][way] for row in found) for way in CASES[name].ways}
        lines += [f"- {name}: " + ", ".join(f"{way} {count} of {len(found)}" for way, count in ways.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--limit", type=int, default=32)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = []
    for path in sorted(args.photos.glob("*.[jJ][pP][gG]")):
        with contextlib.suppress(OSError), Image.open(path) as image:  # some of a collection may be damaged
            if MEGAPIXELS[0] <= image.width * image.height / 1e6 <= MEGAPIXELS[1]:
                paths.append(path)
    kept = args.output.with_suffix(".jsonl")
    had = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    rows: dict[str, list[dict[str, Any]]] = {}
    for name in args.case or CASES:
        for path in paths[: args.limit]:
            row = next((row for row in had if (row["case"], row["photo"]) == (name, path.name)), None)
            if row is None:
                row = {"case": name, **measured(path, CASES[name])}
                with kept.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            rows.setdefault(name, []).append(row)
            print(name, row["photo"], row.get("psnr", row.get("refused")), row["ways"], flush=True)
    cases = "".join(f" --case {name}" for name in args.case or ())
    limit = "" if args.limit == parser.get_default("limit") else f" --limit {args.limit}"
    args.output.write_text(page(rows, f"python scripts/measure/robust.py PHOTOS -o {args.output}{cases}{limit}"))


if __name__ == "__main__":
    main()
