"""What is read of a JPEG file's segments, what is refused and why, and what stays as it is."""

from __future__ import annotations

import io
import random
import re
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

import jpegs
from jpegs import File, Scan, segment
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.errors import ImageError

PHOTO = jpegs.saved(jpegs.picture(48, 40), quality=80)
PROGRESSIVE = jpegs.saved(jpegs.picture(48, 40), quality=80, progressive=True)
FRAME = PHOTO.index(b"\xff\xc0")


def read(data: bytes) -> JpegFile:
    return JpegFile.read(data, "the image")


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read(data)
    message = str(caught.value)
    assert message.startswith("the image ")
    assert "; " in message
    assert "\n" not in message
    return message


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def built(**options: Any) -> File:
    """A file of a few blocks, all zeros but some DC coefficients."""
    given = {"width": 16, "height": 16, "sampling": [(1, 1)] * 3, "scans": [Scan([0, 1, 2])]} | options
    sizes = jpegs.geometry(given["width"], given["height"], given["sampling"])
    planes = [np.zeros((rows, columns, 64), np.int16) for rows, columns, _, _ in sizes]
    for plane in planes:
        plane[0, 0, 0], plane[-1, -1, 0] = -4, 30
    return File(blocks=planes, **given)


# -- refused


@pytest.mark.parametrize(
    ("marker", "reason"),
    [(0xC3, "lossless"), (0xF7, "lossless"), *((m, "hierarchical") for m in (0xC5, 0xC6, 0xC7, 0xDE, 0xDF)),
     *((m, "arithmetic") for m in (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))],
)  # fmt: skip
def test_other_processes_are_refused(marker: int, reason: str) -> None:
    assert reason in refusal(changed(PHOTO, FRAME + 1, bytes([marker])))


def test_other_colours_are_refused() -> None:
    gray, cmyk = io.BytesIO(), io.BytesIO()
    Image.fromarray(jpegs.picture(48, 40)).convert("L").save(gray, "JPEG")
    Image.fromarray(jpegs.picture(48, 40)).convert("CMYK").save(cmyk, "JPEG")
    assert "gray" in refusal(gray.getvalue())
    assert "CMYK" in refusal(cmyk.getvalue())
    assert "coded as RGB" in refusal(jpegs.saved(jpegs.picture(48, 40), keep_rgb=True))
    assert "coded as RGB" in refusal(jpegs.build(built(ids=b"RGB")))
    adobe = [segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform)) for transform in (0, 1)]
    assert "coded as RGB" in refusal(jpegs.build(built(head=adobe[0])))
    assert read(jpegs.build(built(head=adobe[1]))).width == 16
    assert read(jpegs.build(built(head=segment(0xEE, b"Adobe")))).width == 16
    assert read(jpegs.build(built(ids=(0, 1, 2)))).components[2].id == 2
    two = segment(0xC0, struct.pack(">BHHB", 8, 16, 16, 2) + b"\x01\x11\x00\x02\x11\x00")
    assert "2 components" in refusal(b"\xff\xd8" + two)


def test_other_depths_and_sizes_are_refused() -> None:
    assert "12 bits" in refusal(changed(PHOTO, FRAME + 4, b"\x0c"))
    assert "no size" in refusal(changed(PHOTO, FRAME + 7, b"\0\0"))
    assert "no size" in refusal(changed(PHOTO, FRAME + 5, b"\0\0"))
    assert "more than 50,000,000 pixels; to hide in it, halve it (--halve)" in refusal(
        changed(PHOTO, FRAME + 5, b"\xff\xff\xff\xff")
    )


def test_what_is_no_jpeg_is_refused() -> None:
    for data in (b"", b"\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\0" + PHOTO):
        assert "not a JPEG file" in refusal(data)
    assert "cut short" in refusal(b"\xff\xd8")
    assert "cut short" in refusal(b"\xff\xd8\xff\xd9")


DAMAGE = {
    "two frames": changed(PHOTO, FRAME, PHOTO[FRAME : FRAME + 19] * 2),
    "an unknown marker, F0": jpegs.build(built(head=segment(0xF0, b""))),
    "a segment without a length": b"\xff\xd8\xff\xe0\0\1" + PHOTO[2:],
    "a wrong restart interval": jpegs.build(built(head=segment(0xDD, b"\1"))),
    "a wrong Huffman table": jpegs.build(built(head=segment(0xC4, bytes([0x20]) + bytes(16)))),
    "a wrong quantisation table": jpegs.build(built(steps=0)),
    "an MCU of too many blocks": jpegs.build(built(sampling=[(4, 2), (2, 1), (1, 1)], scans=[Scan([0, 1, 2])])),
    "a wrong frame header": jpegs.build(built(ids=(1, 1, 2))),
    "a wrong scan header": jpegs.build(built(head=segment(0xDA, b"\1\1\0\0\x3f\0"))),
    "no quantisation table": PHOTO[: PHOTO.index(b"\xff\xdb")] + PHOTO[FRAME:],
    "no Huffman table": PHOTO[: PHOTO.index(b"\xff\xc4")] + PHOTO[PHOTO.index(b"\xff\xda") :],
    "scans in a wrong order": jpegs.build(built(scans=[Scan([0, 1, 2]), Scan([1])])),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told(what: str) -> None:
    assert f"({what})" in refusal(DAMAGE[what])


def test_scans_of_progressive_files_have_an_order() -> None:
    start, rest = Scan([0, 1, 2], 0, 0), [Scan([n], 1, 63) for n in range(3)]
    assert read(jpegs.build(built(scans=[start, *rest], progressive=True))).layout.progressive
    assert read(jpegs.build(built(scans=[start], progressive=True))).layout.progressive
    for wrong in (
        [start, *rest, Scan([1], 5, 5)],  # twice
        [start, Scan([1], 1, 63, 1, 0)],  # refined before it is there
        [start, Scan([1], 1, 63, 0, 2), Scan([1], 1, 63, 2, 0)],  # two bits at once
        [start, Scan([1], 1, 63, 0, 2), Scan([1], 1, 40, 2, 1), Scan([1], 1, 63, 1, 0)],
    ):
        assert "scans in a wrong order" in refusal(jpegs.build(built(scans=wrong, progressive=True)))
    for wrong in ([Scan([0, 1, 2], 0, 5)], [start, Scan([1, 2], 1, 5)], [Scan([0, 1, 2], 0, 0, 0, 14)]):
        assert "a wrong scan header" in refusal(jpegs.build(built(scans=wrong, progressive=True)))
    assert "cut short" in refusal(jpegs.build(built(scans=rest, progressive=True)))


def test_forged_files_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many scans over many blocks take time, and a large frame without data takes memory."""
    scans = [Scan([0, 1, 2], 0, 0), *(Scan([n], k, k) for n in range(3) for k in range(1, 64))]
    assert len(read(jpegs.build(built(scans=scans, progressive=True))).layout.scans) == 190
    monkeypatch.setattr("stegcinn.carriers.jpegfile.markers.MAX_VISITS", 4 * (190 + 2) - 1)
    assert "too many scans" in refusal(jpegs.build(built(scans=scans, progressive=True)))
    monkeypatch.undo()
    for data in (PHOTO, PROGRESSIVE):
        at = data.index(b"\xff\xc2" if data is PROGRESSIVE else b"\xff\xc0")
        tracemalloc.start()
        assert "cut short" in refusal(changed(data, at + 5, struct.pack(">HH", 7000, 7000)))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()


# -- cut short and damaged


@pytest.mark.parametrize("data", [PHOTO, PROGRESSIVE, jpegs.saved(jpegs.picture(48, 40), restart_marker_blocks=2)])
def test_a_file_cut_anywhere_is_refused_but_for_its_end_marker(data: bytes) -> None:
    assert not read(data).notes
    for size in range(len(data)):
        try:
            jpeg = read(data[:size])
        except ImageError as error:
            assert "cut short" in str(error) or "no JPEG" in str(error) or size < 2  # noqa: PT017
            continue
        assert size >= len(data) - 2
        assert jpeg.notes == ("has no end marker; it is read as it is",)
        assert jpeg.write() == data[:size]
        assert np.array_equal(jpeg.luma.coefficients, read(data).luma.coefficients)


@pytest.mark.parametrize("data", [PHOTO, PROGRESSIVE, jpegs.saved(jpegs.picture(48, 40), restart_marker_blocks=2)])
def test_damaged_files_are_refused_or_kept(data: bytes) -> None:
    rng, kept = random.Random(0), 0
    for _ in range(400):
        mutant = bytearray(data)
        for _ in range(rng.choice((1, 2, 9))):
            mutant[rng.randrange(2, len(data))] = rng.choice((0, 255, rng.randrange(256)))
        try:
            jpeg = read(bytes(mutant))
        except ImageError:
            continue
        kept += 1
        assert jpeg.write() == mutant
        raised = jpeg.chroma[0].coefficients.copy()
        raised[0, 0, 0] += 1
        try:
            again = read(jpeg.with_coefficients({1: raised}).write())
        except (ImageError, ValueError):
            continue
        assert np.array_equal(again.chroma[0].coefficients, raised)
    assert kept > 5


ZRL = ("ac", 0, 0xF0)
FIRST, BAND = Scan([0, 1, 2], 0, 0), Scan([0], 1, 63)
CODED = {
    "a zero run past the end": ([Scan([0])], {0: [("dc", 0, 0), ZRL, ZRL, ZRL, ZRL, ("ac", 0, 0)]}),
    "a value past the end": ([Scan([0])], {0: [("dc", 0, 0), ZRL, ZRL, ZRL, ("ac", 0, 0xF1), (1, 1)]}),
    "a run of blocks": ([Scan([0])], {0: 4 * [("dc", 0, 0), ("ac", 0, 0x10), (0, 1)]}),
    "a DC value of 16 bits": ([Scan([0])], {0: [("dc", 0, 16), (0xFFFF, 16), ("ac", 0, 0)]}),
    "DC values that add up": ([Scan([0])], {0: 3 * [("dc", 0, 15), (0x7FFF, 15), ("ac", 0, 0)]}),
    "a DC value that is too high": ([Scan([0], 0, 0, 0, 13)], {0: [("dc", 0, 3), (7, 3), *3 * [("dc", 0, 0)]]}),
    "a value that is too high": (
        [FIRST, Scan([0], 1, 63, 0, 13)], {1: [("ac", 0, 3), (7, 3), ("ac", 0, 0x20), (0, 2)]}
    ),
    "a run of more blocks than there are": ([FIRST, BAND], {1: [("ac", 0, 0x20), (1, 2)]}),
    "a zero run past the end of a band": ([FIRST, Scan([0], 1, 15)], {1: [ZRL, *4 * [("ac", 0, 0)]]}),
    "a larger value in a refining scan": (
        [FIRST, Scan([0], 1, 63, 0, 1), Scan([0], 1, 63, 1, 0)], {2: [("ac", 0, 2), (3, 2), ("ac", 0, 0x20), (0, 2)]}
    ),
    "a refining zero run past the end": (
        [FIRST, Scan([0], 1, 9, 0, 1), Scan([0], 1, 9, 1, 0)], {2: [ZRL, ("ac", 0, 0x20), (0, 2)]}
    ),
    "a refined value past the end": (
        [FIRST, Scan([0], 1, 9, 0, 1), Scan([0], 1, 9, 1, 0)], {2: [("ac", 0, 0x91), (1, 1), ("ac", 0, 0x20), (0, 2)]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CODED)
def test_codes_that_no_encoder_writes_are_damage(what: str) -> None:
    scans, instead = CODED[what]
    progressive = scans[0].last == 0
    if scans[0].planes == [0]:
        scans = [*scans, Scan([1], 0, scans[0].last), Scan([2], 0, scans[0].last)]
    assert refusal(jpegs.build(built(scans=scans, progressive=progressive, instead=instead))).startswith(
        "the image is damaged; "
    )


def test_restart_markers_out_of_order_are_damage() -> None:
    data = jpegs.saved(jpegs.picture(48, 40), restart_marker_blocks=2)
    assert "damaged" in refusal(data.replace(b"\xff\xd1", b"\xff\xd2", 1))
    assert "damaged" in refusal(data.replace(b"\xff\xd1", b"", 1))
    assert "cut short or damaged" in refusal(re.sub(rb"(?s)(\xff\xd1.).*(\xff\xd2)", rb"\1\2", data))


# -- kept as it is


def test_the_line_count_may_come_after_the_first_scan() -> None:
    file = built(lines_later=True, height=13)
    jpeg = read(jpegs.build(file))
    assert (jpeg.height, jpeg.luma.visible_rows) == (13, 2)
    assert np.array_equal(jpeg.luma.coefficients, file.blocks[0])
    assert jpeg.write() == jpegs.build(file)


def camera_file() -> tuple[bytes, bytes]:
    """A photo with EXIF and a thumbnail, maker's segments, a second picture after it (MPF): and the plain photo."""
    photo = jpegs.saved(jpegs.picture(96, 80), quality=92, subsampling="4:2:2", restart_marker_blocks=4)
    thumbnail = jpegs.saved(jpegs.picture(32, 24), quality=60)
    tags = struct.pack("<HHHIIHHIIHHIII", 3, 0x0103, 3, 1, 6, 0x0201, 4, 1, 56, 0x0202, 4, 1, len(thumbnail), 0)
    exif = b"Exif\0\0" + struct.pack("<2sHI", b"II", 42, 14) + bytes(6) + tags + thumbnail
    mpf = b"MPF\0" + struct.pack(">2sHIHHHI", b"MM", 42, 8, 1, 0xB001, 4, 1) + struct.pack(">I", 2)
    head = segment(0xE1, exif) + segment(0xE2, mpf) + segment(0xE5, b"maker\xff\xd8\xff\xd9\xff\xc4")
    head += segment(0xFE, b"a comment") + b"\xff\xff\xff" + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
    tail = bytes(36) + jpegs.saved(jpegs.picture(48, 40), quality=70) + b"\xff\xd9 motion photo \xff\xda\xff"
    return photo[:2] + head + photo[2:] + tail, photo


def test_all_that_a_camera_leaves_stays() -> None:
    data, photo = camera_file()
    jpeg, plain = read(data), read(photo)
    assert jpeg.write() == data
    wanted = jpeg.chroma[0].coefficients.copy()
    wanted[wanted > 1] -= 1
    written = jpeg.with_coefficients({1: wanted}).write()
    again = read(written)
    assert np.array_equal(again.chroma[0].coefficients, wanted)
    assert np.array_equal(again.luma.coefficients, plain.luma.coefficients)
    scan, new = jpeg.layout.scans[0], again.layout.scans[0]
    assert written[: new.start] == data[: scan.start]
    assert written[new.stop :] == data[scan.stop :]
    assert plain.with_coefficients({1: wanted}).write()[2:] in written


def test_a_block_that_does_not_change_stays_as_an_encoder_coded_it() -> None:
    """Zeros before the end of a block are written by no encoder that saves."""
    odd = [("dc", 1, 0), ("ac", 1, 0xF0), ("ac", 1, 0)]
    file = built(scans=[Scan([0]), Scan([1]), Scan([2])], full_tables=True)
    file.instead = {1: [*odd, ("dc", 1, 0), ("ac", 1, 0), *odd, *odd]}
    jpeg = read(jpegs.build(file))
    changed = jpeg.chroma[0].coefficients.copy()
    changed[0, 1, 1] = 1
    file.instead = {1: [*odd, ("dc", 1, 0), ("ac", 1, 1), (1, 1), ("ac", 1, 0), *odd, *odd]}
    assert jpeg.with_coefficients({1: changed}).write() == jpegs.build(file)


@pytest.mark.parametrize("leaves", [b"", b"\xff\xff", b"\0\x12"])
def test_padding_keeps_its_habit_and_what_comes_after_it(leaves: bytes) -> None:
    kept = [("011010", values) for values in ((2, 3), (4, 5), (8, 9))]  # where as many bits are to fill as before
    for pad, values in (("0", (0, 2)), ("1", (0, 2)), ("0", (2, 0)), *kept):
        file = built(pad=pad, full_tables=True, scans=[Scan([0, 1, 2], restart=1)], before_marker=leaves)
        file.tail = b"\xff\xd3\xff\xd9"
        file.blocks[2][1, 0, 3] = values[0]
        jpeg = read(jpegs.build(file))
        file.blocks[2] = file.blocks[2].copy()
        file.blocks[2][1, 0, 3] = values[1]
        assert jpeg.with_coefficients({2: file.blocks[2]}).write() == jpegs.build(file)
