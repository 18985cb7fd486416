"""Capacity, fidelity and losslessness over folders of photos: every payload is hidden, saved, revealed and compared.

    python scripts/measure/cinn_numbers.py test/small128 test/cbsd68 --out docs/results/cinn.json

Net bits only: payload bytes that came back, times 8, over the pixels of the saved PNG; a photo that takes nothing, or
failed, counts as 0. PSNR is taken over all three channels against the host, at full load. A photo counts as failed if
any payload within its capacity did not come back or was refused.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

from stegcinn import __version__, stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.compare import gray, psnr
from stegcinn.carriers.formats import encode_photo
from stegcinn.codecs.base import COLORS, Colors, Wish
from stegcinn.errors import CapacityError, RevealError, SelfCheckError
from stegcinn.sealing.envelope import Payload

SMALL_PAYLOADS = (0, 1, 31, 4096)  # bytes


def measure_photo(path: Path, colors: Colors, small: bool) -> dict[str, object]:
    """Hide and reveal at full load (and, with `small`, at small loads) in one photo."""
    host, wish = Source(path), Wish(colors)
    photo = host.photo()
    started = time.perf_counter()
    capacity = stego.measure(host, codec="cinn", wish=wish)
    capacity_seconds = time.perf_counter() - started
    failed = []
    facts: dict[str, object] = {"file": path.name, "pixels": photo.pixels, "capacity": capacity.bytes}
    if not capacity.bytes:
        return facts | {"net_bpp": 0.0, "failed": []}
    for size in (capacity.bytes, *(SMALL_PAYLOADS if small else ())):
        payload = os.urandom(size)
        started = time.perf_counter()
        try:
            container = stego.conceal(host, Payload(payload), codec="cinn", wish=wish)
        except CapacityError:
            if size <= capacity.bytes:
                failed.append(size)
            continue
        except SelfCheckError:
            failed.append(size)
            continue
        hide_seconds = time.perf_counter() - started
        started = time.perf_counter()
        saved = Source(container.file)
        if not comes_back(saved, payload):
            failed.append(size)
        reveal_seconds = time.perf_counter() - started
        if size == capacity.bytes:
            facts |= {
                "net_bpp": 8 * size / photo.pixels,
                "raw_accuracy": container.raw_accuracy,
                "psnr": psnr(saved.photo().rgb, photo.rgb),
                "identical_luma": float(np.mean(gray(saved.photo().rgb) == gray(photo.rgb))),
                "png_growth": len(container.file) / len(encode_photo(photo, ".png")),
                "seconds": {"capacity": capacity_seconds, "hide": hide_seconds, "reveal": reveal_seconds},
            }
    return facts | {"failed": failed}


def comes_back(saved: Source, payload: bytes) -> bool:
    """Byte for byte, from a photo of any size."""
    try:
        return stego.uncover(saved, thorough=True).data == payload
    except RevealError:
        return False


def summary(rows: list[dict]) -> dict[str, float]:
    loaded = [row for row in rows if "psnr" in row]
    return {
        "photos": len(rows),
        "without_capacity": sum(not row["capacity"] for row in rows),
        "mean_net_bpp": round(float(np.mean([row.get("net_bpp", 0.0) for row in rows])), 4),
        "mean_raw_accuracy": round(float(np.mean([row["raw_accuracy"] for row in loaded])), 4),
        "mean_psnr": round(float(np.mean([row["psnr"] for row in loaded])), 2),
        "min_net_bpp": round(min(row["net_bpp"] for row in loaded), 4),
        "min_psnr": round(min(row["psnr"] for row in loaded), 2),
        "identical_luma": min(row["identical_luma"] for row in loaded),
        "failed_photos": sum(bool(row["failed"]) for row in rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--colors", nargs="+", default=["keep"], choices=COLORS)
    parser.add_argument("--every", type=int, default=1, help="take only every n-th photo")
    parser.add_argument("--small", action="store_true", help=f"hide payloads of {SMALL_PAYLOADS} bytes, too")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results = []
    for folder in args.folders:
        for colors in args.colors:
            files = sorted(p for p in folder.iterdir() if p.is_file())[:: args.every]
            rows = [measure_photo(path, colors, args.small) for path in files]
            results.append({"set": folder.name, "colors": colors, **summary(rows), "photos_measured": rows})
            print(json.dumps({k: v for k, v in results[-1].items() if k != "photos_measured"}), flush=True)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps({"version": __version__, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
