"""What libraries of Linux, macOS and Windows say of themselves: processor, what they need, and what they offer.

Only as much of ELF, Mach-O and PE as libraries of 64-bit little-endian machines have.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import count


@dataclass
class Library:
    """One of them; `needed` are other libraries, `versions` what is needed of these in particular."""

    form: str  # ELF, Mach-O or PE
    machine: str  # x86_64 or aarch64
    needed: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)  # symbols that others have to offer
    offered: set[str] = field(default_factory=set)


def read(data: bytes) -> Library:
    """ValueError for what is none of them."""
    if data[:6] == b"\x7fELF\x02\x01":
        return _elf(data)
    if data[:4] == b"\xcf\xfa\xed\xfe":
        return _macho(data)
    if data[:2] == b"MZ":
        return _pe(data)
    raise ValueError("neither ELF nor Mach-O nor PE of 64 bits")


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(0, at)].decode()


def _elf(data: bytes) -> Library:
    (machine,) = struct.unpack_from("<H", data, 18)
    found = Library("ELF", {62: "x86_64", 183: "aarch64"}[machine])
    (table,) = struct.unpack_from("<Q", data, 40)
    size, number = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + size * i) for i in range(number)]
    for _, kind, _, _, at, length, link, entries, _, _ in sections:
        strings = sections[link][4] if link else 0
        if kind == 6:  # dynamic: needed libraries
            for tag, value in struct.iter_unpack("<QQ", data[at : at + length]):
                if tag == 1:
                    found.needed.add(_text(data, strings + value))
        elif kind == 11:  # dynamic symbols; weak ones may be missing
            for name, info, _, section, _, _ in struct.iter_unpack("<IBBHQQ", data[at : at + length]):
                if section:
                    found.offered.add(_text(data, strings + name))
                elif info >> 4 == 1:
                    found.wanted.add(_text(data, strings + name))
        elif kind == 0x6FFFFFFE:  # versions of those of others
            for _ in range(entries):
                _, parts, _, part, step = struct.unpack_from("<HHIII", data, at)
                of = at + part
                for _ in range(parts):
                    _, _, _, name, next_part = struct.unpack_from("<IHHII", data, of)
                    found.versions.add(_text(data, strings + name))
                    of += next_part
                at += step
    return found


def _macho(data: bytes) -> Library:
    machine, _, _, commands = struct.unpack_from("<IIII", data, 4)
    found, at = Library("Mach-O", {0x01000007: "x86_64", 0x0100000C: "aarch64"}[machine]), 32
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, at)
        if command == 0xC:  # a library
            found.needed.add(_text(data, at + struct.unpack_from("<I", data, at + 8)[0]))
        elif command == 0x32:  # the system that it is built for
            (oldest,) = struct.unpack_from("<I", data, at + 12)
            found.versions.add(f"macOS_{oldest >> 16}.{oldest >> 8 & 255}")
        elif command == 2:  # symbols
            symbols, number, strings, _ = struct.unpack_from("<IIII", data, at + 8)
            for name, kind, _, _, _ in struct.iter_unpack("<IBBHQ", data[symbols : symbols + 16 * number]):
                if kind & 1 and not kind & 0xE0:
                    (found.offered if kind & 0xE else found.wanted).add(_text(data, strings + name).removeprefix("_"))
        at += size
    return found


def _pe(data: bytes) -> Library:
    (header,) = struct.unpack_from("<I", data, 60)
    machine, number = struct.unpack_from("<HH", data, header + 4)
    (optional,) = struct.unpack_from("<H", data, header + 20)
    found = Library("PE", {0x8664: "x86_64", 0xAA64: "aarch64"}[machine])
    exports, _, imports, _ = struct.unpack_from("<IIII", data, header + 24 + 112)
    sections = [struct.unpack_from("<II", data, header + 24 + optional + 40 * i + 8) for i in range(number)]
    places = [struct.unpack_from("<II", data, header + 24 + optional + 40 * i + 16) for i in range(number)]

    def at(address: int) -> int:
        """Where in the file what is loaded at `address` lies."""
        return next(
            address - start + place
            for (size, start), (stored, place) in zip(sections, places, strict=True)
            if start <= address < start + max(size, stored)
        )

    for i in count():
        names, _, _, library, _ = struct.unpack_from("<IIIII", data, at(imports) + 20 * i)
        if not library:
            break
        found.needed.add(_text(data, at(library)).lower())
        for k in count():
            (name,) = struct.unpack_from("<Q", data, at(names) + 8 * k)
            if not name:
                break
            found.wanted.add(_text(data, at(name) + 2))
    offered, _, table = struct.unpack_from("<III", data, at(exports) + 24)
    for i in range(offered):
        found.offered.add(_text(data, at(struct.unpack_from("<I", data, at(table) + 4 * i)[0])))
    return found
