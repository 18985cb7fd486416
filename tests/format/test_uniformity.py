"""What is embedded looks like fair coins to anybody without the key, whatever the payload, in every container anew."""

from __future__ import annotations

import hashlib
import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from photos import crop, resized
from stegcinn.carriers.base import Source
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import Wish, silent
from stegcinn.codecs.cinn.codec import CinnCodec
from stegcinn.codecs.cinn.painter import Painter
from stegcinn.codecs.exact import codec, header
from stegcinn.codecs.jpeg import coefficients
from stegcinn.codecs.robust import codec as robust
from stegcinn.codecs.robust import writing
from stegcinn.codecs.stealth import moves
from stegcinn.coding import stc
from stegcinn.colourmodel.rangecoder import Decoder
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import Keys

KEYS = [Keys(hashlib.sha256(b"uniformity %d" % number).digest()) for number in range(20)]
HOST = crop("chelsea", 64, 64, 100, 120)
HOSTS = {"jpeg": crop("chelsea", 300, 451), "robust": resized("rocket", 800, 1200)}
WISH = Wish("keep", convert=True)
PAYLOAD = Payload(bytes(range(256)) * 2, "the same every time")
SIGMAS = 5.5  # chance passes a bound with p < 1e-7: `os.urandom` makes every run another one


def assert_fair(bits: np.ndarray) -> None:
    """Monobit, runs and byte tests (NIST SP 800-22, 2.1 and 2.3; chi-square) on bits, one row per container."""
    flat = bits.ravel().astype(np.int64)
    n = flat.size
    assert abs(2 * flat.sum() - n) < SIGMAS * math.sqrt(n)
    changes = (bits[:, 1:] != bits[:, :-1]).astype(np.int64)
    assert abs(2 * changes.sum() - changes.size) < SIGMAS * math.sqrt(changes.size)
    counts = np.bincount(np.packbits(flat), minlength=256)
    chi_square, freedom = float(((counts - n / 2048) ** 2).sum() / (n / 2048)), 255
    assert chi_square < freedom + SIGMAS * 1.5 * math.sqrt(2 * freedom)  # its tail is longer than a normal one
    constant = int((bits == bits[0]).all(axis=0).sum())  # places that are the same in all containers
    expected = bits.shape[1] * 2.0 ** (1 - len(bits))
    assert constant <= 2 + SIGMAS * math.sqrt(expected)
    for first, second in pairwise(bits):
        assert abs(2 * int((first != second).sum()) - bits.shape[1]) < SIGMAS * math.sqrt(bits.shape[1])


def containers(name: str) -> None:
    """One container per key, all of one host and one payload."""
    each = load_codec(name)
    for key in KEYS:
        each.embed(
            each.host(Source(HOSTS.get(name, HOST)), WISH),
            each.envelope.seal(envelope.pack(PAYLOAD), key),
            key,
            WISH,
            silent,
        )


def given_to_exact(monkeypatch) -> list[np.ndarray]:
    """Bytes that the range coder decodes: streams and headers."""
    messages: list[bytes] = []

    class Spy(Decoder):
        def __init__(self, message):
            messages.append(bytes(message))
            super().__init__(message)

    monkeypatch.setattr(codec, "Decoder", Spy)
    monkeypatch.setattr(header, "Decoder", Spy)
    containers("exact")
    stream = len(envelope.seal(envelope.pack(PAYLOAD), KEYS[0]))
    bodies, headers = messages[0::2], messages[1::2]
    assert len(bodies) == len(headers) == len(KEYS)  # every attempt was a hit
    return [
        np.unpackbits(np.array([list(m) for m in part], np.uint8), axis=1)
        for part in ([m[:stream] for m in bodies], [m[: header.HEADER_SIZE] for m in headers])
    ]


def given_to_cinn(monkeypatch) -> list[np.ndarray]:
    """Signs of latents."""
    signs: list[np.ndarray] = []

    def spy(self, rgb, lattice, bits, *rest):
        signs.append(bits)
        return rgb

    monkeypatch.setattr(CinnCodec, "_capacity", lambda *_: 600)
    monkeypatch.setattr(Painter, "paint", spy)
    containers("cinn")
    return [np.array(signs)]


def given_to_codes(monkeypatch, name: str, layers: int) -> list[np.ndarray]:
    """Messages of the syndrome-trellis codes: all layers of the body, and headers."""
    messages: list[np.ndarray] = []
    real = stc.encode

    def spy(bits, prices, message):
        messages.append(message)
        return real(bits, prices, message)

    monkeypatch.setattr(stc, "encode", spy)
    containers(name)
    codes = layers + 1
    assert len(messages) == codes * len(KEYS)  # every attempt was a hit
    bodies = [np.concatenate(messages[i : i + codes - 1]) for i in range(0, len(messages), codes)]
    return [np.array(bodies), np.array(messages[codes - 1 :: codes])]


def given_to_robust(monkeypatch) -> list[np.ndarray]:
    """What places say: pilots and headers, and bodies, each as they lie in the picture."""
    heads, bodies = [], []
    real = writing.text

    def spy(places, *each, **options):
        text = real(places, *each, **options)
        bits, border = text.bits[np.argsort(text.places)], np.isin(np.sort(text.places), places.head)
        heads.append(bits[border])
        bodies.append(bits[~border])
        return text

    monkeypatch.setattr(writing, "text", spy)
    monkeypatch.setattr(robust, "comes_through", lambda *_: True)
    containers("robust")
    assert len(heads) == len(KEYS)
    return [np.array([bits[: min(map(len, part))] for bits in part]) for part in (heads, bodies)]


GIVEN = {
    "jpeg": partial(given_to_codes, name="jpeg", layers=coefficients.LAYERS),
    "stealth": partial(given_to_codes, name="stealth", layers=moves.LAYERS),
    "exact": given_to_exact,
    "cinn": given_to_cinn,
    "robust": given_to_robust,
}


@pytest.mark.parametrize("name", CODECS)
def test_what_a_codec_writes(name, monkeypatch):
    for bits in GIVEN[name](monkeypatch):
        assert_fair(bits)


@pytest.mark.parametrize("fault", ["constant", "biased", "alternating", "one place", "repeated"])
def test_the_tests_notice(fault):
    bits = np.random.default_rng(0).integers(0, 2, (20, 4000), np.uint8)
    assert_fair(bits)
    match fault:
        case "constant":
            bits[:, :200] = 0
        case "biased":
            bits |= (np.random.default_rng(1).random(bits.shape) < 0.05).astype(np.uint8)
        case "alternating":
            bits[:, ::2] = 1 - bits[:, 1::2]
        case "one place":
            bits[:, 17:37] = bits[0, 17:37]
        case "repeated":
            bits[5] = bits[4]
    with pytest.raises(AssertionError):
        assert_fair(bits)
