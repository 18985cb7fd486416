"""Many round trips of one codec on small crops: random photo, place, payload size, colours and password.

python scripts/stress/crops_soak.py PHOTOS... [--codec exact] [--side 64] [--trips 10000] [--seed 0] [--from 0]

Every third payload has exactly the promised size. Where the codec hides in JPEG files, crops are saved as such first,
in any quality, sampling, and order of scans; where it knows channels, a trip draws one of them, or none. Photos with a
shorter side are left out. A trip depends on seed and number alone. Prints what failed and the count; the exit code is 1
if anything did.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile.making import QUALITIES
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import Wish
from stegcinn.codecs.robust.channels import channels
from stegcinn.errors import RevealError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.envelope import Payload


def as_jpeg(crop: UInt8, rng: np.random.Generator) -> bytes:
    """A crop as some program would save it."""
    buffer = io.BytesIO()
    Image.fromarray(crop).save(
        buffer, "JPEG", quality=int(rng.choice(QUALITIES)), subsampling=int(rng.integers(3)),
        progressive=bool(rng.integers(2)), optimize=bool(rng.integers(2)),
        restart_marker_blocks=int(rng.choice([0, 3])),
    )  # fmt: skip
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path, help="folders")
    parser.add_argument("--codec", choices=CODECS, default="exact")
    parser.add_argument("--side", type=int, default=64, help="of a crop, in pixels")
    parser.add_argument("--trips", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="N", help="go on from trip N")
    arguments = parser.parse_args()
    codec, side = load_codec(arguments.codec), arguments.side
    paths = sorted(path for folder in arguments.photos for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))
    files = [path for path in paths if min(Image.open(path).size) >= side]
    if not files:
        parser.error(f"none of {len(paths)} photos has {side} x {side} pixels")
    may_generate = codec.refusal(Wish("generate")) is None
    sent_by = [None, *(channel.name for channel in channels() if codec.refusal(Wish(channel=channel.name)) is None)]
    photos: dict[Path, np.ndarray] = {}
    failed = without = changed = 0
    for trip in range(arguments.first, arguments.trips):
        rng = np.random.default_rng((arguments.seed, trip))
        path = files[rng.integers(len(files))]
        if path not in photos:
            photos[path] = np.asarray(Image.open(path).convert("RGB"))
        rgb = photos[path]
        y, x = (rng.integers(edge - side + 1) for edge in rgb.shape[:2])
        crop = rgb[y : y + side, x : x + side]
        host = Source(as_jpeg(crop, rng) if ".jpg" in codec.formats else crop)
        generate = may_generate and (rng.random() < 0.25 or host.photo().is_gray)
        channel = sent_by[rng.integers(len(sent_by))]
        wish = Wish("generate" if generate else "keep", channel=channel)
        room = stego.measure(host, codec=codec.name, wish=wish).bytes
        if room == 0:
            without += 1
            continue
        data = rng.bytes(room if trip % 3 == 0 else int(rng.integers(room + 1)))
        password = "secret" if trip % 50 == 0 else None  # scrypt is slow by design
        try:
            container = stego.conceal(host, Payload(data), codec=codec.name, wish=wish, password=password)
            saved = Source(container.file)
            good = stego.uncover(saved, password=password).data == data
            codec.check(codec.host(host, wish), codec.open(saved))
        except Exception as error:
            good = False
            print(trip, path.name, (y, x), wish.colors, channel, len(data), room, repr(error), flush=True)
        failed += not good
        if trip % 100 == 0:  # a clean photo holds nothing
            try:
                stego.uncover(host)
                changed += 1
            except RevealError:
                pass
        if (trip + 1) % 500 == 0:
            print(f"{trip + 1} trips, {failed} failed, {without} crops without capacity", flush=True)
    made = arguments.trips - arguments.first
    print(f"{made} trips, {failed} failed, {without} crops without capacity, {changed} false reveals")
    sys.exit(bool(failed or changed))


if __name__ == "__main__":
    main()
