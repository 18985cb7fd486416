"""A second reader of containers, written from docs/SPEC.md alone: it shares no line with the package.

Plain and slow. Keys, ciphers, the range coder and the error correction are the standard library's or its own, but for
AES, which is cryptography's; NumPy holds arrays, Pillow reads the file, ONNX Runtime runs the networks, zstandard
decompresses. Numbers in comments are the SPEC's sections.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import math
import struct
import unicodedata
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.cmac import CMAC
from PIL import Image

import jpegs

WEIGHTS = Path(__file__).parents[2] / "src" / "stegcinn" / "weights"


class RefusedError(Exception):
    """There is nothing to reveal; `layer` is where that was noticed."""

    def __init__(self, layer: str) -> None:
        super().__init__(layer)
        self.layer = layer


# 1: primitives


def hkdf_expand(key, info, size):
    okm, block = b"", b""
    for i in range(1, -(-size // 32) + 1):
        block = hmac.digest(key, block + info + bytes([i]), "sha256")
        okm += block
    return okm[:size]


def hkdf(secret, salt, info, size):
    return hkdf_expand(hmac.digest(salt, secret, "sha256"), info, size)


def chacha20(key, size, counter=0):
    """RFC 8439's keystream under a nonce of zeros, all blocks side by side."""
    blocks = -(-size // 64)
    start = np.zeros((16, blocks), np.uint32)
    start[:4] = np.frombuffer(b"expand 32-byte k", "<u4")[:, None]
    start[4:12] = np.frombuffer(key, "<u4")[:, None]
    start[12] = np.arange(counter, counter + blocks)
    x = start.copy()

    def turn(a, b, c, d):
        for i, j, k, shift in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[i] += x[j]
            x[k] ^= x[i]
            x[k] = (x[k] << np.uint32(shift)) | (x[k] >> np.uint32(32 - shift))

    for _ in range(10):
        for i in range(4):
            turn(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            turn(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return (x + start).T.astype("<u4").tobytes()[:size]


def xor(data, mask):
    return bytes(a ^ b for a, b in zip(data, mask, strict=True))


def open_box(key, sealed, associated, layer):
    """RFC 8439's AEAD under a nonce of zeros."""
    text, tag = sealed[:-16], sealed[-16:]
    one_time = chacha20(key, 32)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    padded = associated + bytes(-len(associated) % 16) + text + bytes(-len(text) % 16)
    padded += struct.pack("<QQ", len(associated), len(text))
    for at in range(0, len(padded), 16):
        total = (total + int.from_bytes(padded[at : at + 16] + b"\x01", "little")) * r % ((1 << 130) - 5)
    right = (total + int.from_bytes(one_time[16:], "little")) % (1 << 128)
    if len(sealed) < 16 or right.to_bytes(16, "little") != tag:
        raise RefusedError(layer)
    return xor(text, chacha20(key, len(text), counter=1))


# 2, 7: the image


def read_image(file, version):
    """-> colours that count, and which pixels are seen; 7.2, B.2."""
    with Image.open(file) as image:
        if version == 1 or not image.has_transparency_data:
            rgb = np.asarray(image.convert("RGB")).astype(np.int64)
            return rgb, np.ones(rgb.shape[:2], bool)
        rgba = np.asarray(image.convert("RGBA")).astype(np.int64)
    seen = rgba[..., 3] > 0
    return np.where(seen[..., None], rgba[..., :3], 0), seen


def luma_of(rgb):
    return (19595 * rgb[..., 0] + 38470 * rgb[..., 1] + 7471 * rgb[..., 2] + 32768) >> 16


# 3: keys


class Key(NamedTuple):
    version: int
    root: bytes


def key_of(luma, password, version):
    height, width = luma.shape
    salt = hashlib.sha256(f"stegcinn luma {width}x{height}\n".encode() + luma.astype(np.uint8).tobytes()).digest()
    return key_of_salt(salt, password, version)


def key_of_salt(salt, password, version, shared=False):
    secret = f"stegcinn v{version}: no password, no secrecy".encode()
    if password is not None:
        n, p = (262144, 2) if shared else ({2: 131072, 1: 65536}[version], 1)
        secret = hashlib.scrypt(
            unicodedata.normalize("NFC", password).encode(), salt=salt, n=n, r=8, p=p, dklen=32, maxmem=1 << 29
        )
    return Key(version, hkdf(secret, salt, f"stegcinn v{version} root".encode(), 32))


def subkey(key, purpose):
    return hkdf_expand(key.root, f"stegcinn v{key.version} subkey {purpose}".encode(), 32)


def stream(key, purpose, size):
    return chacha20(subkey(key, purpose), size)


def bits(key, purpose, n):
    return np.unpackbits(np.frombuffer(stream(key, purpose, -(-n // 8)), np.uint8))[:n]


def permutation(key, purpose, n):
    m = 1
    while m < n:
        m *= 2
    words = struct.unpack(f"<{n}Q", stream(key, purpose, 8 * n))
    return [word % m for word in sorted(word - word % m + i for i, word in enumerate(words))]


# 4: envelope


def open_envelope(data, key):
    """-> (name, payload)."""
    if key.version == 1:
        return open_envelope_1(data, key)
    if len(data) < 12:
        raise RefusedError("envelope")
    both = hkdf(subkey(key, "envelope"), data[:8], b"stegcinn v2 envelope", 36)
    head = xor(data[8:12], both[32:])
    (word,) = struct.unpack(">I", head)
    zstd, named, share, size = word >> 31, word >> 30 & 1, word >> 29 & 1, word % 2**29
    if size < 16 + 4 * zstd + named:
        raise RefusedError("sizes")
    if share and (zstd or named):
        raise RefusedError("flags")
    if len(data) < 12 + size:
        raise RefusedError("box")
    body = open_box(both[:32], data[12 : 12 + size], head, "box")
    return (SHARE, body) if share else contents_of(body, zstd, named)


SHARE = object()  # in the place of a name


def contents_of(body, zstd, named):
    """What is sealed; 4, items 3 to 6."""
    data_size, name = None, b""
    if zstd:
        data_size, body = struct.unpack(">I", body[:4].ljust(4, b"\0"))[0], body[4:]
    if named:
        if not body or 1 + body[0] > len(body):
            raise RefusedError("name")
        name, body = body[1 : 1 + body[0]], body[1 + body[0] :]
    return name.decode(errors="replace"), decompressed(body, data_size) if zstd else body


def decompressed(stored, size):
    if size > min(2**30, 2**15 * len(stored)):
        raise RefusedError("zstd")
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(b"\x28\xb5\x2f\xfd" + stored)
    try:
        payload = reader.read(size + 1)
    except zstandard.ZstdError:
        raise RefusedError("zstd") from None
    if len(payload) != size:
        raise RefusedError("data size")
    return payload


def open_envelope_1(data, key):
    """B.6."""
    if len(data) < 42:
        raise RefusedError("envelope")
    both = hkdf(subkey(key, "envelope"), data[:16], b"stegcinn v1 envelope head, body", 64)
    head = open_box(both[:32], data[16:42], b"", "head box")
    version, flags, body_size, data_size = struct.unpack(">BBII", head)
    if version != 1:
        raise RefusedError("version")
    if flags not in (0, 1):
        raise RefusedError("flags")
    if not 17 <= body_size <= 1 + 255 + 2**30 + 16 or data_size > 2**30:
        raise RefusedError("sizes")
    if len(data) < 42 + body_size:
        raise RefusedError("body box")
    body = open_box(both[32:], data[42 : 42 + body_size], head, "body box")
    if 1 + body[0] > len(body):
        raise RefusedError("name")
    name, payload = body[1 : 1 + body[0]], body[1 + body[0] :]
    if flags == 1:
        payload = decompressed(payload, data_size)
    if len(payload) != data_size:
        raise RefusedError("data size")
    return name.decode(errors="replace"), payload


# 9: codec exact

PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))
STEPS = ((1, 0), (1, 1), (1, 2), (0, 0), (0, 1), (0, 2))
NEAR = ((-1, 0), (0, -1), (0, 1), (1, 0))
DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))
KNIGHT = ((-2, -1), (-2, 1), (-1, -2), (-1, 2), (1, -2), (1, 2), (2, -1), (2, 1))
SECOND = ((-2, 0), (0, -2), (0, 2), (2, 0))
COLOURED = (
    (*DIAGONAL, (-3, -1), (-3, 1), (-1, -3), (-1, 3), (1, -3), (1, 3), (3, -1), (3, 1)),
    (*NEAR, *KNIGHT),
    (*NEAR, *DIAGONAL, *KNIGHT),
)
GRAY = ((*NEAR, *SECOND), (*DIAGONAL, *SECOND), SECOND)
KNOTS = (40, 75, 110, 145, 180, 215)
INVERSE = [round(65536 / (0.06 * 2 ** (i / 24))) for i in range(256)]
WEIGHT = [max(1, round(4096 * 2 ** ((i - 255) / 20))) for i in range(256)]


def coding_tables(level):
    out = []
    for t in np.load(WEIGHTS / "exact-1" / "logistic.npy")[level].tolist():
        a, z = t[3072], t[9216]
        out.append([min(max((v - a) * 65536 // (z - a), 0), 65536) for v in t])
    return out


def rates(level, calibration):
    """[symbol][scale index]; `calibration`: 36 signed bytes, or None."""
    if calibration is None:
        return [INVERSE] * 3
    out = []
    for symbol in range(3):
        c = calibration[18 * level + 6 * symbol :][:6]
        row = []
        for i in range(256):
            k = min(max(sum(knot <= i for knot in KNOTS) - 1, 0), 4)
            t = min(max(i - KNOTS[k], 0), 35)
            shift = (c[k] * (35 - t) + c[k + 1] * t) // 35
            row.append(INVERSE[min(max(i + shift, 0), 255)])
        out.append(row)
    return out


def plane_of(array, level, phase):
    (i, j), s = PLACES[phase + 1], 1 << level
    return array[i * s :: 2 * s, j * s :: 2 * s]


def network(rgb, luma, level, phase):
    """Parameters (h, w, 27) and guesses (h, w) of all pixels of a phase, at once."""
    s = 1 << level
    r, b = rgb[::s, ::s, 0] - luma[::s, ::s], rgb[::s, ::s, 2] - luma[::s, ::s]
    y = luma[::s, ::s]
    row, column = PLACES[phase + 1]
    height, width = plane_of(luma, level, phase).shape

    def at(values, dy, dx):
        """The neighbour at (dy, dx) of each pixel and of those of three cells around."""
        i, j = (row + dy) % 2, (column + dx) % 2
        sub = values[i::2, j::2]
        rows = (np.arange(-3, height + 3) + (row + dy) // 2).clip(0, sub.shape[0] - 1)
        columns = (np.arange(-3, width + 3) + (column + dx) // 2).clip(0, sub.shape[1] - 1)
        return sub[rows][:, columns]

    here = at(y, 0, 0)
    sums = [sum(at(values, *n) for n in COLOURED[phase][:4]) for values in (r, b)]
    channels = [
        4 * at(values, *n) - total + 128 for values, total in zip((r, b), sums, strict=True) for n in COLOURED[phase]
    ]
    channels += [at(y, *n) - here + 128 for n in (*COLOURED[phase], *GRAY[phase])]
    channels += [total // 4 + 128 for total in sums] + [here, np.full_like(here, 32 * min(level, 7))]
    x = np.stack(channels).clip(0, 255).astype(np.uint8)[None]
    session = ort.InferenceSession(WEIGHTS / "exact-1" / f"level{level}-phase{phase}.onnx")
    parameters = session.run(None, {"x": x})[0][0].astype(np.int64)
    return parameters, *(2 * total[3:-3, 3:-3] for total in sums)


def bounds(rest, weight, above):
    """Values v with luma: `above` is what the later channels can add."""
    return max(0, -((32768 + 255 * above - rest) // weight)), min(255, (rest + 32767) // weight)


def entry(d, rate):
    return min(max((d * rate) >> 10, -6144), 6144) + 6144


def parts_of_pixel(q, guess_r, guess_b, y, colour, tables, rate):
    """(before, after, total) of each symbol that is coded; 9.5."""
    red, green, blue = colour
    for s, v in ((0, red), (1, blue)):
        if s == 0:
            low, high = bounds(65536 * y, 19595, 38470 + 7471)
            centre = 8 * y + guess_r
        else:
            low, high = bounds(65536 * y - 19595 * red, 7471, 38470)
            centre = 8 * y + guess_b + (((q[24] - 128) * (8 * (red - y) - guess_r) + 32) >> 6)
        weights = [WEIGHT[q[12 * s + k]] for k in range(3)]
        means = [centre + q[12 * s + 3 + k] - 128 + 8 * (q[12 * s + 6 + k] - 128) for k in range(3)]
        speeds = [rate[s][q[12 * s + 9 + k]] for k in range(3)]
        total = high - low + 1 + 65536 * sum(weights)

        def count(v, low=low, high=high, total=total, s=s, of=(weights, means, speeds)):
            if v < low:
                return 0
            if v >= high:
                return total
            return v - low + 1 + sum(w * tables[s][entry(8 * v + 4 - m, f)] for w, m, f in zip(*of, strict=True))

        yield count(v - 1), count(v), total
    rest = 65536 * y - 19595 * red - 7471 * blue
    low, high = bounds(rest, 38470, 0)
    if low != high:
        d = 64 * low + 32 - 64 * rest // 38470 - (q[25] - 128)
        border = tables[2][entry(d, rate[2][q[26]])] + 1
        yield (0, border, 65538) if green == low else (border, 65538, 65538)


class RangeEncoder:
    """9.6, with one Python integer for the whole number line."""

    def __init__(self):
        self.low, self.span, self.settled = 0, 2**64 - 1, 0

    def absorb(self, before, after, total):
        unit = self.span // total
        self.low += unit * before
        self.span = self.span - unit * before if after == total else unit * (after - before) - 1
        while self.span < 2**56:
            self.low, self.span, self.settled = self.low << 8, 256 * self.span + 255, self.settled + 1

    def read(self):
        settled, low8 = divmod(self.low, 2**64)
        return settled.to_bytes(self.settled, "big") + min(low8 + self.span // 2, 2**64 - 1).to_bytes(8, "big")


def tile_order(height, width):
    for top in range(0, height, 128):
        for left in range(0, width, 128):
            for i in range(top, min(top + 128, height)):
                for j in range(left, min(left + 128, width)):
                    yield i, j


def read_exact(rgb, luma, seen, key):
    """The stream of the whole container."""

    def absorb(encoder, step, where, calibration):
        level, phase = STEPS[step]
        q, guess_r, guess_b = networks[step]
        colours, gray = plane_of(rgb, level, phase), plane_of(luma, level, phase)
        tables, rate = coding[level], rates(level, calibration)
        for at in where:
            pixel = q[at].tolist(), int(guess_r[at]), int(guess_b[at]), int(gray[at]), colours[at].tolist()
            for part in parts_of_pixel(*pixel, tables, rate):
                encoder.absorb(*part)

    networks = {5: network(rgb, luma, *STEPS[5])}
    coding = [coding_tables(level) for level in (0, 1)]
    shape = plane_of(luma, *STEPS[5]).shape
    drawn = struct.unpack("<16384Q", stream(key, "exact header", 8 * 16384))
    places = dict.fromkeys(word % (shape[0] * shape[1]) for word in drawn)
    places = [place for place in places if plane_of(seen, *STEPS[5])[divmod(place, shape[1])]][:4096]
    encoder, used = RangeEncoder(), 0
    while encoder.settled < 55:
        if used >= len(places):
            raise RefusedError("exact header")
        piece = places[used : used + 16]
        absorb(encoder, 5, [divmod(place, shape[1]) for place in piece], None)
        used += len(piece)
    header = encoder.read()[:47]
    border = 8 if key.version == 1 else 4
    salt = header[:border].hex()
    plain = xor(header[border:], stream(key, f"exact header {salt}", 47 - border))
    first, share = struct.unpack(">BH", plain[:3])
    if first > 5 or any(plain[39:]):
        raise RefusedError("exact header")
    calibration = struct.unpack("36b", plain[3:39])

    encoder = RangeEncoder()
    for step in range(first, 6):
        if step not in networks:
            networks[step] = network(rgb, luma, *STEPS[step])
        height, width = plane_of(luma, *STEPS[step]).shape
        chosen = plane_of(seen, *STEPS[step]).copy()
        if step == first and share < 65535:
            numbers = struct.unpack(f"<{height * width}H", stream(key, f"exact pixels {salt}", 2 * height * width))
            chosen &= np.array(numbers).reshape(height, width) <= share
        if step == 5:
            for place in places[:used]:
                chosen[divmod(place, width)] = False
        absorb(encoder, step, [at for at in tile_order(height, width) if chosen[at]], calibration)
    message = encoder.read()
    return xor(message, stream(key, f"exact stream {salt}", len(message)))


# 10: codec cinn

CODES = (
    (8, 2, 40), (12, 4, 30), (18, 6, 24), (24, 8, 20), (30, 9, 20), (36, 10, 20), (42, 11, 18), (48, 11, 16),
    (51, 11, 16), (54, 12, 16), (57, 12, 16), (60, 12, 16), (63, 13, 16), (66, 13, 16), (69, 13, 16), (72, 13, 16),
    (75, 13, 16), (78, 13, 16), (81, 13, 16), (84, 13, 16), (87, 14, 14), (90, 14, 14), (93, 15, 13), (96, 15, 13),
    (99, 15, 13), (102, 15, 13), (105, 14, 12), (108, 12, 10), (111, 12, 8), (114, 12, 6), (117, 0, 3),
)  # fmt: skip


def chroma_of(y, red, blue):
    kr, kg, kb = 19595 / 65536, 38470 / 65536, 7471 / 65536

    def opened(x, low, high, margin):
        width = high - low + 48
        c = ((y - low + 24) / width).clip(margin, 1 - margin)
        p = ((x - low + 24) / width).clip(1 / width, 1 - 1 / width)
        return width * c * (1 - c) * (np.log(p / (1 - p)) - np.log(c / (1 - c)))

    low, high = np.maximum(-0.5, (y - 255.5 * (kg + kb)) / kr), np.minimum(255.5, (y + 0.5 * (kg + kb)) / kr)
    u = opened(red, low, high, 0)
    rest = y - kr * red.clip(low, high)
    low, high = ((rest - 255.5 * kg) / kb).clip(-0.5, 255.5), ((rest + 0.5 * kg) / kb).clip(-0.5, 255.5)
    v = opened(blue, low, high, 0.1)
    return np.stack([u, v])


def haar(planes):
    """(C, 2h, 2w) -> mean (C, h, w), details (3C, h, w)."""
    a, b = planes[:, 0::2, 0::2], planes[:, 0::2, 1::2]
    c, d = planes[:, 1::2, 0::2], planes[:, 1::2, 1::2]
    details = [(a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2]
    return (a + b + c + d) / 4, np.concatenate(details)


NOISE = {"cinn-2": 2.5, "cinn-1": 2.0}  # at which releases are run


def latents_of(release, y, red, blue):
    """Latents of levels 1 and 2 of one tile, (6, h, w) each."""
    chroma, luma, finer = chroma_of(y, red, blue), y[None], np.zeros_like(y)[None]
    out = []
    for level in (1, 2):
        chroma, details = haar(chroma)
        luma, edges = haar(luma)
        finer, _ = haar(finer)
        noise = np.full_like(luma, math.log(NOISE[release]) - (level - 1) * math.log(2))
        dark, light = np.exp(-luma / 16), np.exp((luma - 255) / 16)
        planes = [luma / 64 - 2, edges / 32, finer / 16, dark, light, chroma / 32, noise]
        session = ort.InferenceSession(WEIGHTS / release / f"level{level}-forward.onnx")
        x, condition = (a.astype(np.float32)[None] for a in (details, np.concatenate(planes)))
        out.append(session.run(None, {"x": x, "condition": condition})[0][0])
        finer = finer + np.abs(edges).mean(axis=0, keepdims=True) / 2
    return out


def smoothed(values):
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    return sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3)) / 9


def cuts(side):
    parts = -(-side // 512)
    return [4 * (side // 4 * i // parts) for i in range(parts + 1)]


def soft_bits(release, rgb, luma):
    """Latents over their noise at all positions, by number."""
    height, width = 4 * (luma.shape[0] // 4), 4 * (luma.shape[1] // 4)
    levels = [np.zeros((6, height >> k, width >> k)) for k in (1, 2)]
    pattern = np.random.default_rng(0).random((2, height, width)) - 0.5
    rows, columns = cuts(height), cuts(width)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            where = np.s_[top:bottom, left:right]
            y, red, blue = luma[where] * 1.0, rgb[where][..., 0] * 1.0, rgb[where][..., 2] * 1.0
            moved = latents_of(release, y, red + pattern[0][where], blue + pattern[1][where])
            for k, (z, other) in enumerate(zip(latents_of(release, y, red, blue), moved, strict=True), start=1):
                sigma = 0.8 * np.sqrt(smoothed(np.square(other - z).mean(axis=0))) + 0.02
                levels[k - 1][:, top >> k : bottom >> k, left >> k : right >> k] = z / sigma**2
    live, out = (luma[:height, :width] >= 4) & (luma[:height, :width] <= 251), []
    for values in levels:
        live = live[0::2, 0::2] & live[0::2, 1::2] & live[1::2, 0::2] & live[1::2, 1::2]
        out += [channel[live] for channel in values]
    return np.concatenate(out)


def base_graph(info, heavy, weight, lift):
    """Per check row: (information block, shift)."""
    rows = 120 - info
    size, each = lift * rows, rows + 20 * max(weight, 3)
    seed = f"stegcinn ldpc 1 {info} {heavy} {weight} {lift}".encode()
    words = struct.unpack(f"<{info * each}I", hashlib.shake_256(seed).digest(4 * info * each))
    joined = [[] for _ in range(rows)]
    taken = {(a - 1, a, 1) for a in range(1, rows)} | {(0, rows - 1, size - 1)}
    light = []
    for g in range(info):
        line = words[each * g : each * (g + 1)]
        m = weight if g < heavy else 3
        a = sorted(sorted(range(rows), key=lambda row: (len(joined[row]), line[row], row))[:m])
        best = None
        for draw in range(20):
            s = [word % lift for word in line[rows + m * draw : rows + m * (draw + 1)]]
            pairs = [
                (a[i], a[j], ((s[i] - s[j]) * rows + a[j] - a[i]) % size) for i in range(m) for j in range(i + 1, m)
            ]
            cycles = sum(pair in taken for pair in pairs)
            way = 0
            if m == 3:
                way = min(min(e, size - e) for *_, e in pairs)
                for first, _, e in pairs:
                    for other, e_other in light:
                        gap = (e - e_other + size // 2) % size - size // 2
                        off = (first - other) % rows
                        way = min(way, abs(off) + abs(off + gap), abs(off - rows) + abs(off - rows + gap))
            if best is None or (cycles, -way) < best[0]:
                best = (cycles, -way), s, pairs
        _, s, pairs = best
        taken.update(pairs)
        if m == 3:
            light += [pair for i, j, e in pairs for pair in ((i, e), (j, -e))]
        for row, shift in zip(a, s, strict=True):
            joined[row].append((g, shift))
    return joined


def checks_of(info, heavy, weight, lift):
    """Per check row (lift, degree): the places in a code word that each check joins; 120 lift is a bit that is 0."""
    i, rows = np.arange(lift), []
    for a, blocks in enumerate(base_graph(info, heavy, weight, lift)):
        before = (info + a - 1) * lift + i if a else np.where(i > 0, 119 * lift + i - 1, 120 * lift)
        rows.append(np.stack([*(g * lift + (i + s) % lift for g, s in blocks), (info + a) * lift + i, before], axis=1))
    return rows


def decode_word(rows, llr):
    """Sum-product, one check row after another; llr > 0 for bit 0. -> bits, or None."""
    total = np.append(llr, 20.0).clip(-20, 20)
    messages = [np.zeros(places.shape) for places in rows]
    for _ in range(100):
        for places, message in zip(rows, messages, strict=True):
            total[-1] = 20
            incoming = total[places] - message
            t = np.tanh(incoming / 2)
            t[t == 0] = 1e-12
            message[:] = 2 * np.arctanh((t.prod(axis=1, keepdims=True) / t).clip(-0.999999, 0.999999))
            total[places] = incoming + message
        hard = (total < 0).astype(np.uint8)
        hard[-1] = 0
        if not any((hard[places].sum(axis=1) % 2).any() for places in rows):
            return hard[:-1]
    return None


def read_cinn(rgb, luma, seen, key):
    """The stream of the whole container, by the newest release that reads it."""
    for release in NOISE:
        try:
            return read_cinn_by(release, rgb, luma, key)
        except RefusedError as error:
            last = error
    raise last


def read_cinn_by(release, rgb, luma, key):
    received = soft_bits(release, rgb, luma)
    n = len(received)
    words = -(-(n - 256) // 64800)
    lift = (n - 256) // words // 120 if words > 0 else 0
    if lift < 16:
        raise RefusedError("cinn room")
    inverted = np.where(bits(key, "whitening", n), -1, 1)
    llr = -received[permutation(key, "positions", n)] * inverted  # softer than the noise asks for; it errs less
    patterns = bits(key, "rate patterns", 31 * 256).reshape(31, 256)
    fits = [(llr[:256].clip(-8, 8) * (1 - 2.0 * pattern)).sum() for pattern in patterns]
    code = CODES[int(np.argmax(fits))]
    checks, found = checks_of(*code, lift), []
    for word in range(words):
        decoded = decode_word(checks, llr[256 + 120 * lift * word :][: 120 * lift])
        if decoded is None:
            raise RefusedError("cinn code")
        found.append(decoded[: code[0] * lift])
    return np.packbits(np.concatenate(found)).tobytes()


# 6: layered messages


def columns():
    a = 229
    for _ in range(64):
        yield 512 + 2 * a + 1
        a = (45 * a + 229) % 256


COLUMNS = list(columns())


def read_syndromes(sequence, m):
    """The m bits of message in a sequence of bits; 6.1."""
    if m == 0:
        return []
    segments = max(1, min(len(sequence) // 4096, m // 256))
    if segments > 8:
        segments = segments // 8 * 8
    length, size = len(sequence) // segments, -(-m // segments)
    first, message = max(0, min(8, length - size)), []
    for segment in range(segments):
        register, start = 0, segment * length
        for j in range(size):
            end = segment * length + first + (j + 1) * (length - first) // size
            for i, bit in enumerate(sequence[start:end]):
                register ^= COLUMNS[i % 64] if bit else 0
            message.append(register % 2)
            register, start = register >> 1, end
    return message[:m]


def read_layered(codec, labels, layers, key):
    """The stream in all labels; 6.2, 6.3."""
    n, told = len(labels), 3 + layers
    if n < 2048:
        raise RefusedError(f"{codec} room")
    for h in [min(max(n >> k, 1024), 65536) for k in (1, 3, 5, 7)]:
        found = np.packbits(read_syndromes((labels[:h] % 2).tolist(), 8 * (2 + told))).tobytes()
        plain = xor(found[2:], stream(key, f"{codec} header {found[:2].hex()}", told))
        length, *shares = struct.unpack(f">I{layers - 1}B", plain)
        ends = [0, *(8 * length * share // 255 for share in itertools.accumulate(shares)), 8 * length]
        sizes = [end - start for start, end in pairwise(ends)]
        if sum(shares) <= 255 and max(sizes) <= n - h:
            return read_layers(labels[h:], sizes)
    raise RefusedError(f"{codec} header")


def read_layers(body, sizes):
    found = [read_syndromes(((body >> k) % 2).tolist(), size) for k, size in enumerate(sizes)]
    return np.packbits(np.array(list(itertools.chain.from_iterable(found)), np.uint8)).tobytes()


# 8: codec stealth


def read_stealth(rgb, luma, seen, key):
    """The stream of the whole container."""
    labels = (rgb @ np.array([1, 3, 6]))[seen] % 16
    n = len(labels)
    labels = labels[permutation(key, "stealth order", n)]
    if key.version == 1:
        border = min(max(n // 16, 1024), 16384)
        return read_layered_1(labels[:border], labels[border:], key)
    return read_layered("stealth", labels, 4, key)


def read_layered_1(header, body, key):
    """B.4."""
    found = np.packbits(read_syndromes((header % 2).tolist(), 224)).tobytes()
    plain = xor(found[8:], stream(key, f"stealth header {found[:8].hex()}", 20))
    *sizes, zero = struct.unpack(">5I", plain)
    if zero or sum(sizes) % 8 or max(sizes) > len(body):
        raise RefusedError("stealth header")
    return read_layers(body, sizes)


# 11: codec jpeg


def read_jpeg(file, password):
    """-> the stream and its key. The decoder of sequential files is that of the tests."""
    data = Path(file).read_bytes()
    with Image.open(file) as image:
        if image.format != "JPEG":
            raise RefusedError("jpeg file")
        (width, height), layers, tables = image.size, image.layer, image.quantization
    blocks, most = jpegs.read_baseline(data), [max(each[k] for each in layers) for k in (1, 2)]
    seen = []
    for (_, h, v, _), plane in zip(layers, blocks, strict=True):
        rows, columns = (ceil(ceil(a * f / m) / 8) for a, f, m in ((height, v, most[1]), (width, h, most[0])))
        seen.append(plane[:rows, :columns])
    digest = hashlib.sha256(f"stegcinn jpeg {width}x{height}\n".encode())
    for *_, table in layers:
        digest.update(struct.pack("<64H", *tables[table]))
    digest.update(seen[0].astype("<i2").tobytes())
    key = key_of_salt(digest.digest(), password, 2)
    values = np.concatenate([plane.reshape(-1) for plane in seen[1:]]).astype(np.int64)
    count = len(values) // 64
    order, modes = np.array(permutation(key, "jpeg blocks", count)), stream(key, "jpeg modes", count)
    modes = np.frombuffer(modes, np.uint8).astype(np.int64)
    labels = np.concatenate([values[64 * order + (modes + s) % 64] for s in range(64)]) % 4
    return read_layered("jpeg", labels, 2, key), key


# 12: codec robust


def open_compact(data, key):
    """-> (name, payload); 4.1."""
    if key.version == 1:
        return open_envelope_1(data, key)
    secret = stream(key, "compact envelope", 64)
    if len(data) < 17:
        raise RefusedError("envelope")
    iv, sealed = data[:16], data[16:]
    counter = bytes(b & 0x7F if i in (8, 12) else b for i, b in enumerate(iv))
    body = Cipher(AES(secret[32:]), CTR(counter)).decryptor().update(sealed)
    if s2v(secret[:32], body) != iv:
        raise RefusedError("box")
    flags, body = body[0], body[1:]
    if flags > 4:
        raise RefusedError("flags")
    if flags == 4:
        return SHARE, body
    return contents_of(body, flags & 1, flags >> 1)


def s2v(key, plain):
    """RFC 5297, 2.4, of one string."""

    def doubled(block):
        number = int.from_bytes(block, "big") << 1
        return (number ^ 0x87 if number >> 128 else number).to_bytes(17, "big")[-16:]

    def mac(data):
        state = CMAC(AES(key))
        state.update(data)
        return state.finalize()

    zero = mac(bytes(16))
    if len(plain) >= 16:
        return mac(plain[:-16] + xor(plain[-16:], zero))
    return mac(xor(doubled(zero), plain + b"\x80" + bytes(15 - len(plain))))


MODES = (1, 8, 9, 2, 16, 10, 17)
BASES = (18, 18, 21, 24, 24, 26, 26)


def robust_coefficients(file):
    """(rows, columns, 2, 7); 12.1."""
    with Image.open(file) as image:
        layers = getattr(image, "layer", None) if image.format == "JPEG" else None
        sampling = [each[1:3] for each in layers] if layers else []
        rgb = np.asarray(image.convert("RGB")).astype(float)
        tables = getattr(image, "quantization", None)
    height, width, _ = rgb.shape
    rows, columns = ceil(height / 16), ceil(width / 16)
    if sampling == [(2, 2), (1, 1), (1, 1)]:
        planes = jpegs.read_baseline(Path(file).read_bytes())[1:]
        steps = [np.array(tables[layer[3]])[list(MODES)] for layer in layers[1:]]
        found = [plane[:rows, :columns][..., list(MODES)] * step for plane, step in zip(planes, steps, strict=True)]
        return np.stack(found, axis=2)
    rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    mean = (rgb[::2, ::2] + rgb[1::2, ::2] + rgb[::2, 1::2] + rgb[1::2, 1::2]) / 4
    luma = mean @ (0.299, 0.587, 0.114)
    found = []
    for plane in ((mean[..., 2] - luma) / 1.772, (mean[..., 0] - luma) / 1.402):
        plane = np.pad(plane, ((0, 8 * rows - len(plane)), (0, 8 * columns - plane.shape[1])), "edge")
        blocks = plane.reshape(rows, 8, columns, 8).swapaxes(1, 2)
        found.append(np.stack([(blocks * wave(mode)).sum(axis=(2, 3)) for mode in MODES], axis=2))
    return np.stack(found, axis=2)


def wave(mode):
    """ITU-T T.81, A.3.3."""
    v, u = divmod(mode, 8)
    across, down = (np.cos((2 * np.arange(8) + 1) * f * np.pi / 16) * (0.5 if f else 0.125**0.5) for f in (u, v))
    return np.outer(down, across)


def robust_prints(file):
    """The likeliest eight; 12.4."""
    luma = luma_of(read_image(file, 1)[0]).astype(float)
    for _ in range(2):  # down, then across
        sums = np.vstack([np.zeros((1, luma.shape[1])), luma.cumsum(axis=0)])
        ends = np.arange(17) * len(luma) / 16
        at = [np.interp(ends, np.arange(len(sums)), column) for column in sums.T]
        luma = np.diff(np.stack(at), axis=1) * 16 / len(luma)
    t = luma.reshape(16, 16)
    wave = [np.cos((2 * np.arange(16) + 1) * f * np.pi / 32) * (0.125**0.5 if f else 0.25) for f in range(16)]
    told = [wave[s - u] @ t @ wave[u] for s in range(1, 7) for u in range(s + 1)]
    found = int("".join("01"[int(each > 0)] for each in told), 2)
    least = [2 ** (26 - place) for place in np.argsort(np.abs(told))[:3]]
    return [found ^ sum(some) for count in range(4) for some in itertools.combinations(least, count)]


def read_robust(file, password):
    """-> the stream and its key, of a picture that lies as it was."""
    key = key_of_salt(b"stegcinn robust: no salt is left", password, 2, shared=True)
    values = robust_coefficients(file)
    rows, columns, _, _ = values.shape
    if 2 * rows * columns < 640:
        raise RefusedError("robust room")
    for label in ("robust row", *(f"robust row {each}" for each in robust_prints(file))):
        try:
            return read_printed(values.copy(), key, label), key
        except RefusedError as error:
            if error.layer != "robust header":
                raise
    raise RefusedError("robust header")


def read_printed(values, key, label):
    rows, columns, _, _ = values.shape
    told = [np.frombuffer(stream(key, f"{label} {r}", 32 * columns), np.uint8) for r in range(rows)]
    told = np.stack(told).reshape(rows, columns, 2, 16).astype(int)
    for bit, (a, b) in enumerate(((0, 1), (3, 4), (5, 6))):
        swap = (told[..., 4] >> bit & 1 == 1)[..., None]
        values[..., [a, b]] = np.where(swap, values[..., [b, a]], values[..., [a, b]])
    k = 0
    while k < 3 and 2 * rows * columns >= 1000 * 2 ** (k + 1):
        k += 1
    zone = told[..., 0] + 256 * told[..., 1] < 65536 >> k
    roles, mask = ((told[..., 2] + 256 * told[..., 3]) % 396)[zone], (told[..., 4] >> 3 & 1)[zone]
    for strength, dithered in robust_lattices(values[zone][:, 0], roles, mask, told[zone][:, 5] / 128):
        steps, dither = steps_of(strength), told[..., 5:12] / 128 * dithered
        soft = np.cos(np.pi * (values / steps - dither))  # 1 for bit 0, -1 for bit 1
        try:
            header = robust_header(soft[zone][:, 0] * (1 - 2 * mask), roles)
        except RefusedError:
            continue
        if header[2] == strength:
            return robust_stream(soft, zone, header, key)
    raise RefusedError("robust header")


def steps_of(strength):
    scale = 5000 // strength if strength < 50 else 200 - 2 * strength
    return np.array([min(max((base * scale + 50) // 100, 1), 255) for base in BASES])


def robust_lattices(values, roles, mask, dither):
    """Strengths on which pilots stand out, and whether they are dithered, the likeliest first."""
    pilots, signs, found = roles >= 264, 1 - 2 * mask, []
    for strength in range(15, 96):
        for dithered in (0, 1):
            waves = np.cos(np.pi * (values / steps_of(strength)[0] - dither * dithered))[pilots]
            score = waves @ signs[pilots] / np.sqrt((waves**2).sum())
            if score > 4:
                found.append((score, strength, dithered))
    return [each[1:] for each in sorted(found, reverse=True)]


def robust_header(said, roles):
    """-> size, rate, strength, width, height, nonce; Viterbi's algorithm over all states."""
    llr = np.bincount(roles[roles < 264], said[roles < 264], minlength=264)
    registers = np.arange(512)  # a new bit of weight 256, and the state before
    ones = np.array([[(r & generator).bit_count() % 2 for generator in (0o557, 0o663, 0o711)] for r in range(512)])
    best, came = np.where(np.arange(256) == 0, 0.0, -np.inf), []
    for beliefs in llr.reshape(88, 3):
        total = (best[registers % 256] + (1 - 2 * ones) @ beliefs).reshape(256, 2)  # by the state after
        came.append(2 * np.arange(256) + total.argmax(axis=1))
        best = total.max(axis=1)
    state, text = 0, ""  # the last bits are zero
    for registers in reversed(came):
        text = str(registers[state] // 256) + text
        state = registers[state] % 256
    if "1" in text[76:]:
        raise RefusedError("robust header")
    ends = list(itertools.accumulate((16, 5, 7, 16, 16, 16), initial=0))
    header = [int(text[a:b], 2) for a, b in pairwise(ends)]
    if header[1] > 30:
        raise RefusedError("robust header")
    return header


def robust_stream(soft, zone, header, key):
    size, rate, _, _, _, nonce = header
    info, m = CODES[rate][0], max(8 * size, 1)
    words = ceil(m / (540 * info))
    lift = max(16, ceil(m / (info * words)))
    needed, places = words * 120 * lift, []
    for slot in range(7):
        of_slot = soft[..., slot][~zone] if slot == 0 else soft[..., slot].reshape(-1)
        if len(places) < needed:
            places += of_slot[permutation(key, f"robust order {nonce} {slot}", len(of_slot))].tolist()
    if len(places) < needed:
        raise RefusedError("robust code")
    checks, found = checks_of(*CODES[rate], lift), []
    for word in range(words):
        decoded = decode_word(checks, 4 * np.array(places[word:needed:words]))
        if decoded is None:
            raise RefusedError("robust code")
        found.append(decoded[: info * lift])
    plain = np.concatenate(found) ^ bits(key, f"robust mask {nonce}", words * info * lift)
    return np.packbits(plain[: 8 * size]).tobytes()


# 13: albums


def join(bodies):
    """-> (name, payload) of shares as envelopes held them, those of the first set that is complete."""
    sets, last = {}, RefusedError("shares")
    for body in bodies:
        numbers, at = [], 4
        for _ in range(5):
            end = next((i for i in range(at, min(at + 5, len(body))) if body[i] < 128), None)
            if end is None:
                break
            numbers.append(sum(body[i] % 128 << 7 * (i - at) for i in range(at, end + 1)))
            at = end + 1
        if len(numbers) < 5:
            continue
        size, words, first, index, count = numbers
        symbols, left = divmod(len(body) - at, 2 * words or 1)
        if not 9 <= size <= 2**30 + 269 or not 0 < words < 65536 or left or not 0 < symbols <= 65536 - first:
            continue
        if not index < count <= 60000 or ceil(size / (2 * words)) > 65536:
            continue
        data = struct.unpack(f">{symbols * words}H", body[at:])
        known = sets.setdefault((body[:4], size, words, count), {})
        known.update({first + i: data[i * words : (i + 1) * words] for i in range(symbols)})
    for (digest, size, words, _), known in sets.items():
        source = ceil(size / (2 * words))
        if len(known) < source:
            continue
        rows = interpolated(known, source)
        block = b"".join(struct.pack(f">{words}H", *row) for row in rows)[:size]
        if hashlib.sha256(b"stegcinn v2 album" + block).digest()[:4] != digest:
            last = RefusedError("digest")
        elif block[8] & 0x3F:
            last = RefusedError("flags")
        else:
            return contents_of(block[9:], block[8] >> 7, block[8] >> 6 & 1)
    raise last


def times(a, b):
    product = 0
    for i in range(16):
        product ^= (a << i) * (b >> i & 1)
    for i in range(30, 15, -1):
        product ^= (0x1100B << i - 16) * (product >> i & 1)
    return product


def inverse(a):
    product = 1
    for _ in range(15):
        a = times(a, a)
        product = times(product, a)
    return product


def interpolated(known, source):
    """Lagrange, for all symbols that are lost."""
    points = sorted(known)[:source]
    rows = [known.get(j) for j in range(source)]
    for j in (j for j in range(source) if rows[j] is None):
        row = [0] * len(known[points[0]])
        for p in points:
            above, below = 1, 1
            for q in points:
                if q != p:
                    above, below = times(above, j ^ q), times(below, p ^ q)
            factor = times(above, inverse(below))
            row = [total ^ times(factor, word) for total, word in zip(row, known[p], strict=True)]
        rows[j] = row
    return rows


# 5: what a reader does

LOSSLESS = {"stealth": read_stealth, "exact": read_exact, "cinn": read_cinn}
CODECS = {"jpeg": None, **LOSSLESS, "robust": None}
VERSIONS = (2, 1)


def reveal(file, password=None, codecs=tuple(CODECS), versions=VERSIONS):
    """-> (codec, name, payload); RefusedError with the layer at which the last codec gave up."""
    last = RefusedError("no codec")
    if "jpeg" in codecs and 2 in versions:
        try:
            return "jpeg", *open_compact(*read_jpeg(file, password))
        except RefusedError as error:
            last = error
        if last.layer != "jpeg file" and "robust" not in codecs:
            raise last
    if "robust" in codecs and 2 in versions:
        try:
            stream_, key = read_robust(file, password)
            return "robust", *open_compact(stream_, key)
        except RefusedError as error:
            last = error
    with Image.open(file) as image:
        if image.format == "JPEG":
            raise last
    for version in versions:
        rgb, seen = read_image(file, version)
        luma = luma_of(rgb)
        key = key_of(luma, password, version)
        for codec in (each for each in codecs if each in LOSSLESS):
            try:
                opened = open_compact if codec == "stealth" else open_envelope
                return codec, *opened(LOSSLESS[codec](rgb, luma, seen, key), key)
            except RefusedError as error:
                last = error
    raise last


def reveal_album(files, password=None, codecs=tuple(CODECS)):
    """-> (name, payload)."""
    bodies = []
    for file in files:
        try:
            _, name, payload = reveal(file, password, codecs, versions=(2,))
        except (RefusedError, OSError):
            continue
        if name is SHARE:
            bodies.append(payload)
    return join(bodies)
