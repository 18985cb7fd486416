"""Markers and segments of a JPEG file (ITU-T T.81, annex B): where its scans are and how they are coded.

All of a file is parsed before any coefficient is decoded. Lengths are checked here; codes are, where they are used.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NoReturn

from stegcinn.carriers.photo import MAX_PIXELS
from stegcinn.errors import ImageError

SOI, EOI, SOS, DQT, DNL, DRI, DHT, TEM = 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xC4, 0x01
SEQUENTIAL, PROGRESSIVE = (0xC0, 0xC1), 0xC2
OTHERS = {
    (0xC3, 0xF7): "a lossless",
    (0xC5, 0xC6, 0xC7, 0xDE, 0xDF): "a hierarchical",
    (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF): "an arithmetic-coded",
}
RESTARTS = range(0xD0, 0xD8)
ADOBE, DAC, COMMENT, APPLICATIONS = 0xEE, 0xCC, 0xFE, range(0xE0, 0xF0)
BLOCK = 64
NEVER = 16  # as the lowest bit of a coefficient that is coded: none is
# Blocks that all scans together may have. Encoders make ten scans, a quarter of this at MAX_PIXELS; forged files can
# have hundreds of a few bytes each, which would take minutes.
MAX_VISITS = 40_000_000
MAX_MCU = 10  # blocks, B.2.3
COUNTS, SYMBOLS_MAX = 16, 256  # of a Huffman table: how many codes there are of each length, and the symbols
# Natural order (8 v + u) of coefficients that are numbered along the zigzag, figure A.6.
NATURAL = (
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
)  # fmt: skip


@dataclass(frozen=True)
class Plane:
    """A component as the frame header has it, and its size in blocks: with the padding of MCUs, and without (A.2.4)."""

    id: int
    h: int
    v: int
    rows: int
    columns: int
    visible_rows: int
    visible_columns: int
    quantisation: tuple[int, ...] = ()  # 64, natural order
    low: tuple[int, ...] = (NEVER,) * BLOCK  # the lowest bit of each coefficient that is coded, natural order
    low_in_padding: tuple[int, ...] = (NEVER,) * BLOCK


@dataclass(frozen=True)
class Scan:
    """A scan: `data[start:stop]` are its entropy-coded segments with the restart markers between them.

    `planes` are indices of its components; `dc` and `ac` their tables as the loops take them, or None. `first`, `last`,
    `high` and `low` are Ss, Se, Ah and Al; `restart` is in MCUs, 0 for none.
    """

    start: int
    stop: int
    planes: tuple[int, ...]
    dc: tuple[bytes | None, ...]
    ac: tuple[bytes | None, ...]
    first: int
    last: int
    high: int
    low: int
    restart: int


@dataclass(frozen=True)
class Layout:
    """What the segments of a file say."""

    width: int
    height: int
    progressive: bool
    mcu_rows: int
    mcu_columns: int
    planes: tuple[Plane, ...]
    scans: tuple[Scan, ...]
    has_end: bool


def parse(data: bytes, name: str) -> Layout:
    """The layout of a colour JPEG. ImageError, calling the file `name`, for all that is none, or is damaged."""
    return _Parser(data, name).parse()


@dataclass
class _Parser:
    data: bytes
    name: str
    width: int = 0
    height: int = 0
    progressive: bool = False
    specs: list[tuple[int, int, int, int]] = field(default_factory=list)  # id, h, v, selector of the quantisation
    transform: int | None = None  # Adobe's
    restart: int = 0
    quantisation: dict[int, tuple[int, ...]] = field(default_factory=dict)
    huffman: dict[tuple[int, int], bytes] = field(default_factory=dict)  # by class and selector
    latched: dict[int, tuple[int, ...]] = field(default_factory=dict)  # a component's quantisation at its first scan
    low: list[list[int]] = field(default_factory=list)  # of each component and coefficient along the zigzag
    scans: list[Scan] = field(default_factory=list)

    def parse(self) -> Layout:
        if not self.data.startswith(b"\xff\xd8"):
            self._unsuitable("is not a JPEG file; use a photo whose name ends in .jpg")
        at, has_end = 2, False
        while marker := self._marker(at):
            code, at = marker
            if code == EOI:
                has_end = True
                break
            if code != TEM and code not in RESTARTS:
                at = self._segment(code, at)
        return self._layout(has_end)

    def _marker(self, at: int) -> tuple[int, int] | None:
        """The next marker and where it ends; what is no marker is skipped, as cameras leave such (B.1.1.2)."""
        data = self.data
        while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
            at += 1
            if data[at] not in (0, 0xFF):
                return data[at], at + 1
        return None

    def _segment(self, code: int, at: int) -> int:
        """Reads a segment and returns where it, and the data after a scan header, ends."""
        for codes, kind in OTHERS.items():
            if code in codes:
                self._unsuitable(f"is {kind} JPEG, which is not supported; convert it to PNG first")
        length = int.from_bytes(self.data[at : at + 2], "big")
        stop = at + length
        if at + 2 > len(self.data) or stop > len(self.data):
            self._cut_short()
        if length < 2:
            self._damaged("a segment without a length")
        body = self.data[at + 2 : stop]
        if code in SEQUENTIAL or code == PROGRESSIVE:
            self._frame(code, body)
        elif code == DHT:
            self._huffman_tables(body)
        elif code == DQT:
            self._quantisation_tables(body)
        elif code == DRI:
            if len(body) != 2:
                self._damaged("a wrong restart interval")
            self.restart = int.from_bytes(body, "big")
        elif code == SOS:
            return self._scan(body, stop)
        elif code == DNL:
            self._line_count(body)
        elif code == ADOBE:
            if body.startswith(b"Adobe") and len(body) >= 12:
                self.transform = body[11]
        elif code not in APPLICATIONS and code not in (COMMENT, DAC):
            self._damaged(f"an unknown marker, {code:02X}")
        return stop

    def _frame(self, code: int, body: bytes) -> None:
        """B.2.2."""
        if self.specs:
            self._damaged("two frames")
        if len(body) < 6 or len(body) != 6 + 3 * body[5]:
            self._damaged("a wrong frame header")
        if body[0] != 8:
            self._unsuitable(f"has {body[0]} bits per sample, not 8; convert it to PNG first")
        if body[5] == 1:
            self._unsuitable("is a gray JPEG: it has no colours to hide in; use a colour photo")
        if body[5] == 4:
            self._unsuitable("is a CMYK or YCCK JPEG; convert it to RGB first")
        if body[5] != 3:
            self._unsuitable(f"has {body[5]} components, not the 3 of a colour photo; convert it to PNG first")
        self.height, self.width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        self.progressive = code == PROGRESSIVE
        self.specs = [(c, hv >> 4, hv & 15, t) for c, hv, t in zip(body[6::3], body[7::3], body[8::3], strict=True)]
        if len({spec[0] for spec in self.specs}) < 3 or not all({h, v} <= {1, 2, 3, 4} for _, h, v, _ in self.specs):
            self._damaged("a wrong frame header")
        self.low = [[NEVER] * BLOCK for _ in self.specs]

    def _line_count(self, body: bytes) -> None:
        """The height comes after the first scan where the frame header has none (B.2.5)."""
        if not self.height and len(body) == 2:
            self.height = int.from_bytes(body, "big")

    def _huffman_tables(self, body: bytes) -> None:
        """B.2.4.2."""
        while body:
            count = sum(body[1:17])
            if len(body) < 17 + count or count > 256 or body[0] >> 4 > 1 or body[0] & 15 > 3:
                self._damaged("a wrong Huffman table")
            self.huffman[divmod(body[0], 16)] = body[1 : 17 + count].ljust(COUNTS + SYMBOLS_MAX, b"\0")
            body = body[17 + count :]

    def _quantisation_tables(self, body: bytes) -> None:
        """B.2.4.1."""
        while body:
            width = 1 + (body[0] >> 4)
            steps = tuple(int.from_bytes(body[i : i + width], "big") for i in range(1, 1 + BLOCK * width, width))
            if width > 2 or body[0] & 15 > 3 or len(body) < 1 + BLOCK * width or not all(steps):
                self._damaged("a wrong quantisation table")
            self.quantisation[body[0] & 15] = _natural(steps)
            body = body[1 + BLOCK * width :]

    def _scan(self, body: bytes, start: int) -> int:
        """B.2.3."""
        count = body[0] if body else 0
        if not self.specs or len(body) != 4 + 2 * count or count not in (1, 2, 3):
            self._damaged("a wrong scan header")
        ids = [spec[0] for spec in self.specs]
        wanted, tables = list(body[1 : 1 + 2 * count : 2]), body[2 : 2 + 2 * count : 2]
        if len(set(wanted)) < count or not set(wanted) <= set(ids):
            self._damaged("a wrong scan header")
        planes = tuple(map(ids.index, wanted))
        if count > 1 and sum(self.specs[plane][1] * self.specs[plane][2] for plane in planes) > MAX_MCU:
            self._damaged("an MCU of too many blocks")
        first, last, high, low = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
        if not self.progressive:  # where other numbers tell nothing, and some encoders write them
            first, last, high, low = 0, BLOCK - 1, 0, 0
        elif low > 13 or last >= BLOCK or (last if first == 0 else last < first or count > 1):
            self._damaged("a wrong scan header")
        for plane in planes:
            self._progress(plane, first, last, high, low)
        stop = self._scan_end(start)
        dc = [self.huffman.get((0, t >> 4)) if first == 0 and not high else None for t in tables]
        ac = [self.huffman.get((1, t & 15)) if last else None for t in tables]
        if (first == 0 and not high and None in dc) or (last and None in ac):
            self._damaged("no Huffman table")
        self.scans.append(Scan(start, stop, planes, tuple(dc), tuple(ac), first, last, high, low, self.restart))
        return stop

    def _progress(self, plane: int, first: int, last: int, high: int, low: int) -> None:
        """Each coefficient is coded once, and then refined bit by bit (G.1.1.1)."""
        reached = self.low[plane]
        if any(reached[k] != (high or NEVER) for k in range(first, last + 1)) or (high and low != high - 1):
            self._damaged("scans in a wrong order")
        reached[first : last + 1] = [low] * (last + 1 - first)
        if plane not in self.latched:
            table = self.quantisation.get(self.specs[plane][3])
            if table is None:
                self._damaged("no quantisation table")
            self.latched[plane] = table

    def _scan_end(self, at: int) -> int:
        """Where the next marker is that is no restart marker, with the fill bytes before it, or the end of the file."""
        data = self.data
        while (at := data.find(b"\xff", at)) >= 0:
            after = at + 1
            while after < len(data) and data[after] == 0xFF:
                after += 1
            if after == len(data):
                break
            if data[after] and data[after] not in RESTARTS:
                return at
            at = after
        return len(data)

    def _layout(self, has_end: bool) -> Layout:
        if not self.scans:
            self._cut_short()
        if self.transform == 0 or bytes(spec[0] for spec in self.specs) == b"RGB":
            self._unsuitable("is a JPEG coded as RGB, which is not supported; convert it to PNG first")
        if not self.width or not self.height:
            self._damaged("no size")
        if self.width * self.height > MAX_PIXELS:
            self._unsuitable(f"has more than {MAX_PIXELS:,} pixels; to hide in it, halve it (--halve)")
        if any(low[0] == NEVER for low in self.low) or (not has_end and any(map(any, self.low))):
            self._cut_short()
        widest, highest = max(spec[1] for spec in self.specs), max(spec[2] for spec in self.specs)
        mcu_rows, mcu_columns = -(-self.height // (8 * highest)), -(-self.width // (8 * widest))
        planes = []
        for plane, (number, h, v, _) in enumerate(self.specs):
            visible = -(-self.height * v // (8 * highest)), -(-self.width * h // (8 * widest))
            geometry = Plane(number, h, v, mcu_rows * v, mcu_columns * h, *visible, self.latched[plane])
            planes.append(replace(geometry, low=_natural(self.low[plane]), low_in_padding=self._low_in_padding(plane)))
        layout = Layout(
            self.width, self.height, self.progressive, mcu_rows, mcu_columns, tuple(planes), tuple(self.scans), has_end
        )
        if sum(sum(_blocks(layout, scan)) for scan in layout.scans) > MAX_VISITS:
            self._damaged("too many scans")
        for scan in layout.scans:  # each DC coefficient takes a bit: nothing large is made of a small file
            if scan.first == 0 and sum(_blocks(layout, scan)) > 8 * (scan.stop - scan.start):
                self._cut_short()
        return layout

    def _low_in_padding(self, plane: int) -> tuple[int, ...]:
        """The same as `low` for blocks that only interleaved scans have (A.2.3)."""
        low = [NEVER] * BLOCK
        for scan in self.scans:
            if plane in scan.planes and len(scan.planes) > 1 and low[scan.first] == (scan.high or NEVER):
                low[scan.first : scan.last + 1] = [scan.low] * (scan.last + 1 - scan.first)
        return _natural(low)

    def _unsuitable(self, why: str) -> NoReturn:
        raise ImageError(f"{self.name} {why}")

    def _cut_short(self) -> NoReturn:
        self._unsuitable("is cut short; get an intact copy")

    def _damaged(self, what: str) -> NoReturn:
        self._unsuitable(f"is damaged or no usual JPEG ({what}); get an intact copy or convert it to PNG")


def _natural(values: tuple[int, ...] | list[int]) -> tuple[int, ...]:
    ordered = [0] * BLOCK
    for k, value in enumerate(values):
        ordered[NATURAL[k]] = value
    return tuple(ordered)


def _blocks(layout: Layout, scan: Scan) -> list[int]:
    """How many blocks of each of its components a scan has."""
    planes = [layout.planes[plane] for plane in scan.planes]
    if len(planes) == 1:
        return [planes[0].visible_rows * planes[0].visible_columns]
    return [plane.rows * plane.columns for plane in planes]
