"""Every file back, net capacity, fidelity and code lengths of the `exact` codec on sets of photos.

python scripts/measure/exact_numbers.py PHOTOS... [--every N] [--colors keep|generate] [--full-only] [--json FILE]

Per photo: `capacity`, payloads of 0, 1, 31 and 4096 bytes where they fit, one of exactly the promised size, and ones
of 0.1 and 1.5 bits per pixel; each must come back byte for byte, with the host's gray-scale. Net bits only: payload
bytes that come back times 8, over all pixels of the saved file; photos without capacity count as 0. Code length: bits
per pixel of the model's cost for the colours it settles, host against its container, under the host's calibration.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.compare import psnr
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import COLORS, Colors, Wish
from stegcinn.codecs.exact.header import CODED_PHASES
from stegcinn.codecs.exact.loads import fit
from stegcinn.colourmodel import rangecoder
from stegcinn.colourmodel.calibration import Calibration
from stegcinn.colourmodel.networks import ColourModel, released
from stegcinn.sealing.envelope import Payload

LOADS = (0.1, 1.5)  # bits per pixel


def code_length(model: ColourModel, photo: Photo, fitted: Calibration) -> float:
    """Bits per pixel of the image for all colours of CODED_PHASES under a calibration."""
    bits = 0.0
    for level, phase in CODED_PHASES:
        tables = model.tables(level).calibrated(fitted.lookup(level))
        for part in model.parts(photo.rgb, photo.luma, level, phase):
            bits += rangecoder.information(tables, part.tile, part.rgb)[0].sum()
    return bits / photo.pixels


def run(path: Path, colors: Colors, *, full_only: bool) -> dict[str, object]:
    """All measurements of one photo."""
    host, wish, model = Source(path), Wish(colors), released()
    photo = host.photo()
    room = stego.measure(host, codec="exact", wish=wish).bytes
    pixels = photo.pixels
    row: dict[str, object] = {"file": path.name, "capacity": room, "bpp": 8 * room / pixels, "failed": []}
    loads = {int(pixels * load / 8): load for load in LOADS}
    for size in sorted({room} if full_only else {0, 1, 31, 4096, room, *loads}):
        if size > room or not room:
            continue
        data = os.urandom(size)
        container = stego.conceal(host, Payload(data), codec="exact", wish=wish)
        source = Source(container.file)
        saved = source.photo()
        if stego.uncover(source).data != data:
            row["failed"].append(size)
        if not np.array_equal(saved.luma, photo.luma):
            row["failed"].append("luma")
        if size in loads:
            row[f"psnr_{loads[size]}"] = psnr(saved.rgb, photo.rgb)
            row[f"changed_{loads[size]}"] = container.changed
        if size == room:
            row["psnr"], row["changed"] = psnr(saved.rgb, photo.rgb), container.changed
            fitted = fit(model, photo).calibration
            row["code_host"], row["code_container"] = (code_length(model, x, fitted) for x in (photo, saved))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path, help="folders")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--colors", default="keep", choices=COLORS)
    parser.add_argument("--full-only", action="store_true", help="no payload but the largest")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    summary = {}
    for folder in arguments.photos:
        files = sorted(folder.glob("*.png"))[:: arguments.every]
        rows = [run(path, arguments.colors, full_only=arguments.full_only) for path in files]

        def mean(key: str, rows: list[dict] = rows) -> float:
            values = [row[key] for row in rows if key in row]
            return round(float(np.mean(values)), 4) if values else float("nan")

        gaps = [abs(row["code_host"] - row["code_container"]) for row in rows if "code_host" in row]
        summary[folder.name] = {
            "colors": arguments.colors, "photos": len(rows), "failed": sum(bool(row["failed"]) for row in rows),
            "without_capacity": sum(row["capacity"] == 0 for row in rows),
            "net_bpp": mean("bpp"), "least_bpp": round(min(row["bpp"] for row in rows), 3),
            "psnr": mean("psnr"), "changed": mean("changed"),
            **{f"{what}_{load}": mean(f"{what}_{load}") for load in LOADS for what in ("psnr", "changed")},
            "code_host": mean("code_host"),
            "code_container": mean("code_container"), "gap": round(float(np.mean(gaps)), 4),
        }  # fmt: skip
        print(folder.name, json.dumps(summary[folder.name]), flush=True)
        for row in rows:
            if row["failed"] or not row["capacity"]:
                print("  look at", row["file"], row["capacity"], row["failed"])
    if arguments.json:
        known = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        for name, values in summary.items():
            known[f"{name}-{arguments.colors}"] = values
        arguments.json.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()
