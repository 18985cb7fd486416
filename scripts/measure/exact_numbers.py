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
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from stegcinn import stego
from stegcinn.carriers.compare import psnr
from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.base import read_photo
from stegcinn.codecs import load_codec
from stegcinn.codecs.exact.codec import STEPS, ExactCodec
from stegcinn.colourmodel import rangecoder
from stegcinn.sealing.envelope import Payload

LOADS = (0.1, 1.5)  # bits per pixel


def code_length(codec: ExactCodec, rgb: np.ndarray, fitted) -> float:
    """Bits per pixel of the image for all colours of STEPS under a calibration."""
    luma = luma_of(rgb)
    bits = 0.0
    for level, phase in STEPS:
        tables = codec.model.tables(level).calibrated(fitted.lookup(level))
        for part in codec.model.parts(rgb, luma, level, phase):
            bits += rangecoder.information(tables, part.tile, part.rgb)[0].sum()
    return bits / luma.size


def run(path: Path, colors: str, codec: ExactCodec, *, full_only: bool) -> dict[str, object]:
    """All measurements of one photo."""
    photo = read_photo(path)
    room = stego.measure(photo, codec="exact", colors=colors).bytes
    pixels = photo.rgb[..., 0].size
    row: dict[str, object] = {"file": path.name, "capacity": room, "bpp": 8 * room / pixels, "failed": []}
    loads = {int(pixels * load / 8): load for load in LOADS}
    for size in sorted({room} if full_only else {0, 1, 31, 4096, room, *loads}):
        if size > room or not room:
            continue
        data = os.urandom(size)
        container = stego.conceal(photo, Payload(data), codec="exact", colors=colors)
        saved = np.asarray(Image.open(BytesIO(container.file)).convert("RGB"))
        if stego.uncover(read_photo(container.file)).data != data:
            row["failed"].append(size)
        if not np.array_equal(luma_of(saved), luma_of(photo.rgb)):
            row["failed"].append("luma")
        if size in loads:
            row[f"psnr_{loads[size]}"] = psnr(saved, photo.rgb)
            row[f"changed_{loads[size]}"] = container.changed_pixels
        if size == room:
            row["psnr"], row["changed"] = psnr(saved, photo.rgb), container.changed_pixels
            fitted = codec._fit(photo.rgb).calibration
            row["code_host"], row["code_container"] = (code_length(codec, x, fitted) for x in (photo.rgb, saved))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path, help="folders")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--colors", default="keep")
    parser.add_argument("--full-only", action="store_true", help="no payload but the largest")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    codec = load_codec("exact")
    summary = {}
    for folder in arguments.photos:
        files = sorted(folder.glob("*.png"))[:: arguments.every]
        rows = [run(path, arguments.colors, codec, full_only=arguments.full_only) for path in files]

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
