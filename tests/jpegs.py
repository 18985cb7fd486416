"""JPEG files made and read by slow code that shares nothing with the package, after ITU-T T.81.

`build` writes any coefficients with any scans, samplings and habits that a file may have; `read_baseline` decodes bit
by bit. Blocks are (rows, columns, 64) in natural order.
"""

from __future__ import annotations

import io
import itertools
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Blocks = npt.NDArray[np.int16]
# Along diagonals, those of even number from the bottom up (figure A.6).
ZIGZAG = sorted(range(64), key=lambda n: (d := n // 8 + n % 8, n // 8 if d % 2 else n % 8))
SAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1), "4:1:0": (4, 2)}


def picture(width: int, height: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Colours with edges, slopes and noise, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    channels = [127 + 90 * np.sin(x / rng.uniform(3, 20) + y / rng.uniform(3, 20) + c) for c in range(3)]
    rgb = np.stack(channels, axis=2) + rng.normal(0, 12, (height, width, 3))
    rgb[height // 3 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def saved(rgb: npt.NDArray[np.uint8], **options: Any) -> bytes:
    """As Pillow saves it."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


# -- writing


Event = tuple[Any, ...]  # kind of a table, its component, and symbol; or bits and how many


@dataclass
class Scan:
    """Component indices, Ss, Se, Ah, Al, and the restart interval in MCUs."""

    planes: Sequence[int]
    first: int = 0
    last: int = 63
    high: int = 0
    low: int = 0
    restart: int = 0


@dataclass
class File:
    """A file to build; what encoders do as they like is drawn from `rng`."""

    width: int
    height: int
    sampling: Sequence[tuple[int, int]]
    blocks: list[Blocks]
    scans: list[Scan]
    progressive: bool = False
    pad: str = "1"  # bits that fill the last byte of a segment
    longest_run: int = 32767  # of blocks in an EOB run
    full_tables: bool = False  # codes for all symbols, not just those that are needed
    head: bytes = b""  # segments before all others
    tail: bytes = b"\xff\xd9"
    before_marker: bytes = b""  # fill bytes, or what has no place there
    ids: Sequence[int] = (1, 2, 3)
    steps: int = 3
    lines_later: bool = False  # no height in the frame header, but in a DNL segment after the first scan
    instead: dict[int, list[Event]] = field(default_factory=dict)  # what scans are written as, whatever the blocks


def geometry(width: int, height: int, sampling: Sequence[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """Rows and columns of blocks of each component, and how many of them are seen (A.1.1, A.2.4)."""
    h_max, v_max = max(h for h, _ in sampling), max(v for _, v in sampling)
    found = []
    for h, v in sampling:
        x, y = -(-width * h // h_max), -(-height * v // v_max)
        rows, columns = -(-height // (8 * v_max)) * v, -(-width // (8 * h_max)) * h
        found.append((rows, columns, -(-y // 8), -(-x // 8)))
    return found


def order(file: File, planes: Sequence[int]) -> list[list[tuple[int, int, int]]]:
    """The blocks of a scan, (component, row, column), MCU by MCU (A.2)."""
    sizes = geometry(file.width, file.height, file.sampling)
    if len(planes) == 1:
        _, _, rows, columns = sizes[planes[0]]
        return [[(planes[0], row, column)] for row in range(rows) for column in range(columns)]
    h, v = file.sampling[planes[0]]
    rows, columns = sizes[planes[0]][0] // v, sizes[planes[0]][1] // h
    return [
        [
            (plane, row * file.sampling[plane][1] + y, column * file.sampling[plane][0] + x)
            for plane in planes
            for y in range(file.sampling[plane][1])
            for x in range(file.sampling[plane][0])
        ]
        for row in range(rows)
        for column in range(columns)
    ]


def bits_of(value: int) -> tuple[int, int]:
    """The size of a value, and the bits that follow the size."""
    size = abs(value).bit_length()
    return size, value if value > 0 else value + (1 << size) - 1


def toward_zero(value: int, low: int) -> int:
    return abs(value) // (1 << low) * (1 if value > 0 else -1)


class Encoder:
    """Events of one restart interval."""

    def __init__(self, file: File, scan: Scan) -> None:
        self.file, self.scan = file, scan
        self.events: list[Event] = []  # ("dc" or "ac", component, symbol) or (bits, count)
        self.before = dict.fromkeys(scan.planes, 0)
        self.run: list[list[int]] = []  # correction bits of each block of the EOB run so far

    def block(self, plane: int, values: list[int]) -> None:
        """`values` along the zigzag."""
        scan = self.scan
        if scan.first == 0:
            self.dc(plane, values[0])
        if scan.last:
            (self.refine if scan.high else self.ac)(plane, values, max(scan.first, 1))

    def dc(self, plane: int, value: int) -> None:
        value >>= self.scan.low
        if self.scan.high:
            self.events.append((value & 1, 1))
            return
        size, bits = bits_of(value - self.before[plane])
        self.before[plane] = value
        self.events += [("dc", plane, size), (bits, size)]

    def ac(self, plane: int, values: list[int], first: int) -> None:
        zeros = 0
        for k in range(first, self.scan.last + 1):
            value = toward_zero(values[k], self.scan.low)
            if value == 0:
                zeros += 1
                continue
            self.end_run(plane)
            while zeros > 15:
                self.events.append(("ac", plane, 0xF0))
                zeros -= 16
            size, bits = bits_of(value)
            self.events += [("ac", plane, zeros * 16 + size), (bits, size)]
            zeros = 0
        if zeros:
            self.ends(plane, [])

    def refine(self, plane: int, values: list[int], first: int) -> None:
        sizes = [abs(value) >> self.scan.low for value in values]
        newest = max((k for k in range(first, self.scan.last + 1) if sizes[k] == 1), default=0)
        zeros, corrections = 0, []
        for k in range(first, self.scan.last + 1):
            if sizes[k] == 0:
                zeros += 1
                if zeros == 16 and k < newest:  # at once, and not when the next symbol comes
                    self.end_run(plane)
                    self.events += [("ac", plane, 0xF0), *((bit, 1) for bit in corrections)]
                    zeros, corrections = 0, []
            elif sizes[k] > 1:
                corrections.append(sizes[k] & 1)
            else:
                self.end_run(plane)
                self.events += [("ac", plane, zeros * 16 + 1), (int(values[k] > 0), 1), *((b, 1) for b in corrections)]
                zeros, corrections = 0, []
        if zeros or corrections:
            self.ends(plane, corrections)

    def ends(self, plane: int, corrections: list[int]) -> None:
        if not self.file.progressive:
            self.events.append(("ac", plane, 0))
            return
        self.run.append(corrections)
        if len(self.run) >= self.file.longest_run:
            self.end_run(plane)

    def end_run(self, plane: int) -> None:
        if self.run:
            size = len(self.run).bit_length() - 1
            self.events += [("ac", plane, size * 16), (len(self.run) - (1 << size), size)]
            self.events += [(bit, 1) for corrections in self.run for bit in corrections]
            self.run = []


def intervals(file: File, scan: Scan) -> list[list[Event]]:
    mcus = order(file, scan.planes)
    step = scan.restart or len(mcus)
    found = []
    for start in range(0, len(mcus), step):
        encoder = Encoder(file, scan)
        for plane, row, column in (block for mcu in mcus[start : start + step] for block in mcu):
            natural = file.blocks[plane][row, column]
            encoder.block(plane, [int(natural[n]) for n in ZIGZAG])
        encoder.end_run(scan.planes[0])
        found.append(encoder.events)
    return found


ALL = {"dc": list(range(12)), "ac": [0, 0xF0, *(run * 16 + size for run in range(16) for size in range(1, 11))]}
EOB_RUNS = [run * 16 for run in range(1, 15)]


def table_of(symbols: Sequence[int]) -> tuple[bytes, dict[int, str]]:
    """Counts and symbols of a table whose codes have two lengths, and its codes; that of ones alone is left out."""
    short, counts = list(symbols[:3]), [0] * 16
    rest = list(symbols[3:])
    length = max(4, (4 * len(rest)).bit_length() + 1)
    counts[2], counts[length - 1] = len(short), len(rest)
    codes = {symbol: format(i, "03b") for i, symbol in enumerate(short)}
    start = len(short) << (length - 3)
    codes |= {symbol: format(start + i, f"0{length}b") for i, symbol in enumerate(rest)}
    return bytes(counts) + bytes(short + rest), codes


def stuffed(bits: str, pad: str) -> bytes:
    bits += (8 * pad)[: -len(bits) % 8]
    return int("1" + bits, 2).to_bytes(len(bits) // 8 + 1, "big")[1:].replace(b"\xff", b"\xff\x00")


def written(file: File, number: int) -> bytes:
    """The segments of a scan: its tables, made for it, its header and its data."""
    scan = file.scans[number]
    parts = [file.instead[number]] if number in file.instead else intervals(file, scan)
    out, codes, selectors = b"", {}, {}
    if scan.restart or any(s.restart for s in file.scans):
        out += segment(0xDD, struct.pack(">H", scan.restart))
    for place, plane in enumerate(scan.planes):
        for kind in ("dc", "ac"):
            symbols = sorted({e[2] for events in parts for e in events if len(e) == 3 and e[:2] == (kind, plane)})
            if file.full_tables and symbols:
                every = ALL[kind] + (EOB_RUNS if kind == "ac" and file.progressive else [])
                symbols = every + [symbol for symbol in symbols if symbol not in every]
            if symbols:
                definition, codes[kind, plane] = table_of(symbols)
                selectors[kind, plane] = 3 - place  # in tables that no baseline file has, and other each time
                out += segment(0xC4, bytes([(kind == "ac") * 16 + 3 - place]) + definition)
    chosen = [(selectors.get(("dc", p), 0) << 4) | selectors.get(("ac", p), 0) for p in scan.planes]
    header = bytes([len(scan.planes), *(b for p, t in zip(scan.planes, chosen, strict=True) for b in (file.ids[p], t))])
    out += segment(0xDA, header + bytes([scan.first, scan.last, scan.high << 4 | scan.low]))
    for interval, events in enumerate(parts):
        if interval:
            out += file.before_marker + bytes([0xFF, 0xD0 + (interval - 1) % 8])
        bits = "".join(codes[e[:2]][e[2]] if len(e) == 3 else format(e[0], f"0{e[1]}b") if e[1] else "" for e in events)
        out += stuffed(bits, file.pad)
    return out + file.before_marker


def build(file: File) -> bytes:
    frame = 0xC2 if file.progressive else 0xC1
    components = [
        bytes([i, h << 4 | v, n > 0]) for n, (i, (h, v)) in enumerate(zip(file.ids, file.sampling, strict=True))
    ]
    height = 0 if file.lines_later else file.height
    out = b"\xff\xd8" + file.head
    out += b"".join(segment(0xDB, bytes([n]) + bytes([file.steps]) * 64) for n in range(2))
    out += segment(frame, struct.pack(">BHHB", 8, height, file.width, len(components)) + b"".join(components))
    for number in range(len(file.scans)):
        out += written(file, number)
        if file.lines_later and not number:
            out += segment(0xDC, struct.pack(">H", file.height))
    return out + file.tail


def script(rng: random.Random) -> list[Scan]:
    """Scans that take the coefficients of three components apart at random, in an order that is allowed."""
    scans: list[Scan] = []
    low = rng.randrange(3)
    groups = rng.choice([[[0, 1, 2]], [[0], [1], [2]], [[0], [1, 2]], [[1], [0, 2]]])
    scans += [Scan(group, 0, 0, 0, low) for group in groups]
    waiting = [[Scan([0, 1, 2], 0, 0, bit + 1, bit) for bit in reversed(range(low))]]
    for plane in range(3):
        cuts = sorted({1, 64, *rng.sample(range(2, 64), rng.randrange(3))})
        for first, end in itertools.pairwise(cuts):
            low = rng.randrange(4)
            chain = [Scan([plane], first, end - 1, 0, low)]
            waiting.append(chain + [Scan([plane], first, end - 1, bit + 1, bit) for bit in reversed(range(low))])
    while waiting := [chain for chain in waiting if chain]:
        scans.append(rng.choice(waiting).pop(0))
    return scans


def random_file(seed: int, progressive: bool) -> File:
    """A file of odd size, sampling, scans and habits."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    sampling = rng.choice(
        [*([s, (1, 1), (1, 1)] for s in SAMPLINGS.values()), [(2, 2), (2, 1), (1, 2)], [(1, 1), (2, 2), (1, 1)],
         [(2, 1), (2, 1), (2, 1)], [(3, 1), (1, 1), (1, 1)], [(3, 1), (2, 1), (1, 1)], [(1, 3), (1, 1), (1, 2)]]
    )  # fmt: skip
    width, height = rng.randrange(1, 90), rng.randrange(1, 70)
    if progressive:
        scans = script(rng)
    else:
        scans = [Scan(group) for group in rng.choice([[[0, 1, 2]], [[0], [1], [2]], [[0], [1, 2]], [[2], [0, 1]]])]
    for scan in scans:
        scan.restart = rng.choice([0, 0, 1, 3, 40])
    file = File(width, height, sampling, [], scans, progressive, pad=rng.choice("01"))
    file.longest_run = rng.choice([1, 2, 5, 32767])
    file.full_tables = rng.random() < 0.5
    file.before_marker = rng.choice([b"", b"", b"\xff", b"\xff\xff\xff", b"\x00\x00" if rng.random() < 0.3 else b""])
    file.tail = rng.choice([b"\xff\xd9", b"\xff\xd9", b"\xff\xd9 and more \xff\xd8\xff\xd9", b""])
    for plane, (rows, columns, seen_rows, seen_columns) in enumerate(geometry(width, height, sampling)):
        blocks = numbers.laplace(0, rng.choice([0.3, 2, 12]), (rows, columns, 64)) / (1 + np.arange(64) / 12)
        blocks[numbers.random((rows, columns)) < rng.choice([0, 0.5, 0.95]), 1:] = 0
        blocks[..., 0] = numbers.integers(-150, 150, (rows, columns))
        limit = np.where(np.arange(64) > 0, 1000, 1023)
        blocks = np.clip(np.trunc(blocks), -limit, limit).astype(np.int16)
        for k in range(64):  # what no scan has stays zero
            of_padding = [s for s in scans if plane in s.planes and len(s.planes) > 1 and not s.high]
            if not any(s.first <= ZIGZAG.index(k) <= s.last for s in of_padding):
                blocks[seen_rows:, :, k] = 0
                blocks[:, seen_columns:, k] = 0
        file.blocks.append(blocks)
    return file


# -- reading


def read_baseline(data: bytes) -> list[Blocks]:
    """The coefficients of a sound sequential file, padding included."""
    tables: dict[tuple[int, int], dict[str, int]] = {}
    components: list[tuple[int, int, int]] = []
    blocks: list[Blocks] = []
    at, width, height, restart = 2, 0, 0, 0
    while data[at + 1] != 0xD9:
        marker, (length,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xC4:
            while body:
                codes, code, symbols = {}, 0, iter(body[17:])
                for size, count in enumerate(body[1:17], 1):
                    for _ in range(count):
                        codes[format(code, f"0{size}b")] = next(symbols)
                        code += 1
                    code *= 2
                tables[divmod(body[0], 16)] = codes
                body = body[17 + sum(body[1:17]) :]
        elif marker in (0xC0, 0xC1):
            height, width = struct.unpack_from(">HH", body, 1)
            components = [(body[i], body[i + 1] >> 4, body[i + 1] & 15) for i in range(6, len(body), 3)]
            sizes = geometry(width, height, [c[1:] for c in components])
            blocks = [np.zeros((rows, columns, 64), np.int16) for rows, columns, _, _ in sizes]
        elif marker == 0xDD:
            (restart,) = struct.unpack(">H", body)
        elif marker == 0xDA:
            ids = [c[0] for c in components]
            planes = [ids.index(i) for i in body[1:-3:2]]
            chosen = {plane: divmod(t, 16) for plane, t in zip(planes, body[2:-3:2], strict=True)}
            file = File(width, height, [c[1:] for c in components], blocks, [])
            mcus, number = order(file, planes), 0
            step = restart or len(mcus)
            for start in range(0, len(mcus), step):
                end = at
                while data[end] != 0xFF or data[end + 1] == 0:
                    end += 1
                bits = iter("".join(format(b, "08b") for b in data[at:end].replace(b"\xff\x00", b"\xff")))
                before = dict.fromkeys(planes, 0)
                for plane, row, column in (block for mcu in mcus[start : start + step] for block in mcu):
                    dc, ac = (tables[kind, chosen[plane][kind]] for kind in (0, 1))
                    before[plane] += value_of(bits, symbol_of(bits, dc))
                    blocks[plane][row, column, 0] = before[plane]
                    k = 1
                    while k < 64 and (symbol := symbol_of(bits, ac)):
                        k += symbol >> 4
                        if symbol != 0xF0:
                            blocks[plane][row, column, ZIGZAG[k]] = value_of(bits, symbol & 15)
                        k += 1
                at = end
                if start + step < len(mcus):
                    assert data[at + 1] == 0xD0 + number % 8
                    at, number = at + 2, number + 1
    return blocks


def symbol_of(bits: Any, codes: dict[str, int]) -> int:
    code = ""
    while code not in codes:
        code += next(bits)
    return codes[code]


def value_of(bits: Any, size: int) -> int:
    if not size:
        return 0
    read = "".join(next(bits) for _ in range(size))
    return int(read, 2) if read[0] == "1" else int(read, 2) - (1 << size) + 1


# -- pixels


def plane_of(blocks: Blocks, steps: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The samples of a component (A.3.3), not rounded."""
    n = np.arange(8)
    basis = np.cos((2 * n[:, None] + 1) * n * np.pi / 16) * np.where(n, 0.5, 0.5**1.5)
    spectra = (blocks * steps.astype(np.float64)).reshape(*blocks.shape[:2], 8, 8)
    samples = np.einsum("yv,rcvu,xu->rycx", basis, spectra, basis)
    return np.clip(samples.reshape(blocks.shape[0] * 8, blocks.shape[1] * 8) + 128, 0, 255)
