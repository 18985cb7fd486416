"""What files made to cost time cost `reveal`.

python scripts/stress/hostile_time.py [--megapixels 1.5]

Processor seconds to look for a payload, without a password and without a thorough search: in a flat PNG of two
megapixels, in black, gray and noisy ones of 50, and in one whose colours are code words of `cinn`, all but the first
beyond repair, which keeps its decoder busy the longest. MEGAPIXELS are those of the last; more of it is looked for only
in a thorough search. Then those to print a text as large as a terminal is sent, and to refuse one of 128 MiB.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
from PIL import Image

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.photo import Photo
from stegcinn.cli import console
from stegcinn.codecs import load_codec
from stegcinn.codecs.base import Wish, silent
from stegcinn.coding import ldpc
from stegcinn.errors import RevealError, UsageError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import Keyring


def seconds(work: Callable[[], object], *expected: type[Exception]) -> float:
    begun = time.process_time()
    with contextlib.suppress(*expected):
        work()
    return time.process_time() - begun


def shape(megapixels: float) -> tuple[int, int]:
    unit = int((megapixels * 1e6 / 12) ** 0.5)
    return 3 * unit, 4 * unit


def png(rgb: UInt8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()


def look(what: str, file: bytes) -> None:
    took = seconds(lambda: stego.uncover(Source(file)), RevealError)
    print(f"{what}, {len(file):,} bytes: {took:.1f} s", flush=True)


def busy(megapixels: float, rng: np.random.Generator) -> bytes:
    """A container of `cinn`, full, whose words are none but for the first."""
    host = Photo(rng.normal(128, 25, (*shape(megapixels), 3)).round().clip(0, 255).astype(np.uint8))
    codec, encode = load_codec("cinn"), ldpc.encode

    def spoiled(plan: ldpc.Plan, bits: UInt8) -> UInt8:
        words = encode(plan, bits)
        first = words.size // plan.words
        words[first:] = rng.integers(0, 2, words.size - first, np.uint8)
        return words

    carrier = codec.open(Source(host))
    room = codec.capacity(carrier, Wish(), silent).most
    keys = Keyring(None)(codec.salt(carrier))
    with mock.patch.object(ldpc, "encode", spoiled):
        made = codec.embed(carrier, rng.bytes(room), keys, Wish(), silent)
    return png(made.carrier.rgb)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=1.5, help="of the busy one (default: %(default)s)")
    arguments, rng = parser.parse_args(), np.random.default_rng(0)
    stego.uncover(warm())  # what is loaded once
    for megapixels in (2, 50):
        for value in (0, 128):
            flat = np.full((*shape(megapixels), 3), value, np.uint8)
            look(f"{megapixels} megapixels of {value}", png(flat))
    look("50 megapixels of noise", png(rng.integers(0, 256, (*shape(50), 3), np.uint8)))
    look(f"{arguments.megapixels:g} megapixels of cinn beyond repair", busy(arguments.megapixels, rng))
    terminal = mock.Mock(isatty=lambda: True, encoding="utf-8")
    with mock.patch.object(console, "stdout", return_value=terminal):
        shown = seconds(lambda: console.print_payload(b"a" * console.MAX_SHOWN))
        print(f"the largest text to a terminal: {shown:.2f} s")
        refused = seconds(lambda: console.print_payload(b"a" * (128 << 20)), UsageError)
        print(f"128 MiB of text to a terminal: refused in {refused:.2f} s")


def warm() -> Source:
    host = np.random.default_rng(1).normal(128, 25, (96, 96, 3)).round().clip(0, 255).astype(np.uint8)
    return Source(stego.conceal(Source(host), Payload(b"warm"), codec="cinn").file)


if __name__ == "__main__":
    main()
