"""The way to the compiled loops: what is passed is checked, and what C and Python both write down is the same."""

from __future__ import annotations

import ctypes
import dataclasses
import hashlib
import re
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stegcinn.carriers import luma
from stegcinn.carriers.jpegfile import entropy, markers
from stegcinn.codecs.jpeg import coefficients
from stegcinn.codecs.robust import recolouring
from stegcinn.codecs.stealth import moves, noise
from stegcinn.coding import labels, stc
from stegcinn.colourmodel import cells, mixture, networks, rangecoder
from stegcinn.errors import StegcinnError
from stegcinn.runtime import native
from stegcinn.runtime.native import Kernel

ROOMS = cells, coefficients, entropy, labels, luma, moves, networks, noise, rangecoder, recolouring, stc
KERNELS = {kernel._name: kernel for room in ROOMS for kernel in vars(room).values() if isinstance(kernel, Kernel)}
SOURCES = {path.name: path.read_text() for path in sorted(native.FOLDER.glob("*.[ch]"))}
TEXT = {name: re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL) for name, source in SOURCES.items()}


# -- what is written down twice


def constants(name: str) -> dict[str, int]:
    """Those of a source's enums, with what the header has to name others by."""
    known = {"INT16_MAX": 2**15 - 1} | (constants("native.h") if name != "native.h" else {})
    found: dict[str, int] = {}
    for body in re.findall(r"\benum \{(.*?)\}", TEXT[name], re.DOTALL):
        for count, entry in enumerate(filter(None, map(str.strip, body.split(",")))):
            constant, _, value = map(str.strip, entry.partition("="))
            found[constant] = int(eval(value, {}, known | found)) if value else count
    return found


WR, WG, WB = luma.LUMA_WEIGHTS
FROM_PYTHON = {
    "native.h": {
        "WR": WR, "WG": WG, "WB": WB, "UNIT": cells.UNIT, "REACH": rangecoder.REACH,
        **{name: getattr(mixture, name) for name in (
            "K", "SYMBOLS", "PARAMETERS", "FINE", "COARSE", "SCALE", "BLUE", "SLOPE", "GREEN", "GREEN_SCALE", "ZERO",
            "GREEN_UNIT", "SLOPE_UNIT", "SCALE_SHIFT", "MASS", "SCALE_STEP",
        )},
    },
    "colours.c": {},
    "cpu.c": {},
    "jpeg.c": {
        **{name: getattr(entropy, name) for name in (
            "CUT_SHORT", "DAMAGED", "FULL", "WRONG", "SLACK", "PLUS", "MINUS",
        )},
        **{name: getattr(markers, name) for name in ("BLOCK", "COUNTS", "SYMBOLS_MAX")},
        "LOOK": 10, "VALUE_MAX": 15, "ZRL": 0xF0, "RUNS_MAX": 14, "SIDE_MAX": 65535,
        "DECODE": 0, "RECODE": 1, "PRICE": 2,
    },
    "labels.c": {
        "MOST_LABELS": moves.LABELS, "NO_MOVE": labels.NO_MOVE, "DEAREST": labels.NO_MOVE - 1,
        "UP": entropy.PLUS, "DOWN": entropy.MINUS, "CLASSES": coefficients.CLASSES,
        "HALF": 64,  # of what errors are told in: half a step
    },
    "moves.c": {
        "MOVES": len(moves.MOVES), "STAY": moves.STAY, "LABELS": moves.LABELS,
        **dict(zip(("RED_WEIGHT", "GREEN_WEIGHT", "BLUE_WEIGHT"), moves.LABEL_WEIGHTS, strict=True)),
        "NO_MOVE": labels.NO_MOVE,
    },
    "noise.c": {
        **{name: getattr(noise, name) for name in (
            "OFF_R", "OFF_B", "SCALE_R", "SCALE_B", "FOLLOWS", "OFFSET_G", "SCALE_G", "EXPECTED",
        )},
        "FAR": noise.FAR, "GREEN_FAR": noise.GREEN_FAR, "FINER": noise.FINER, "MOST": noise.MOST,
        "MOVES": len(moves.MOVES),
    },
    "luma.c": {},
    "recolour.c": {},
    "rangecoder.c": {"QUANTILES": rangecoder.QUANTILES},
    "stc.c": {
        **{name: getattr(stc, name) for name in ("HEIGHT", "WIDTH", "FIRST", "LANES", "NEVER")},
        "STATES": 1 << stc.HEIGHT,
        "GROUP": 16, "WORDS": 64, "PART": 8,  # how the encoder keeps its flips is its own business
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_the_constants_in_c_are_those_of_the_modules(name):
    assert constants(name) == FROM_PYTHON[name]


def test_what_the_kernels_take_for_granted_of_the_constants():
    assert (luma.LUMA_WEIGHTS, sum(luma.LUMA_WEIGHTS)) == ((19595, 38470, 7471), 65536)
    assert mixture.RED == mixture.LOGIT == 0
    assert not moves.MOVES[moves.STAY].any()
    assert np.array_equal(moves.MOVES @ (9, 3, 1) + moves.STAY, np.arange(len(moves.MOVES)))
    assert cells.UNIT**2 == mixture.SLOPE_UNIT  # what lets blue's mean follow red in whole units
    assert noise.FAR + cells.UNIT + mixture.ZERO // cells.UNIT < mixture.ZERO  # moves stay within the tables
    assert all(column % 2 and column < 1 << stc.HEIGHT for column in stc.COLUMNS)
    assert stc.HEIGHT * stc.MOST * stc.UNIT < stc.NEVER


def structure(name: str, text: str) -> list[str]:
    """Names of a C structure's fields."""
    (body,) = re.findall(rf"typedef struct \{{([^}}]*)\}} {name};", text)
    return re.findall(r"(\w+)(?:\[\d+\])?(?=[,;])", body)


def test_structures_have_their_fields_in_one_order():
    found = TEXT["rangecoder.c"]
    assert structure("View", TEXT["native.h"]) == [name for name, _ in native.View._fields_]
    assert structure("Tile", found) == [name for name, _ in rangecoder._Pixels._fields_]
    assert structure("Tables", found) == [name for name, _ in rangecoder._Pointers._fields_]
    assert structure("Tables", found) == [field.name for field in dataclasses.fields(rangecoder.Tables)]
    assert structure("Component", TEXT["jpeg.c"]) == [name for name, _ in entropy._Component._fields_]
    assert structure("Scan", TEXT["jpeg.c"]) == [name for name, _ in entropy._Scan._fields_]


def words(parameters: str) -> list[str]:
    """How a `Kernel` has to be told of a function's parameters; of views, "~" alone, as C does not say of what."""
    types = {
        "int64_t": "n",
        "float": "f",
        "const View *": "~",
        "const Tile *": "*",
        "const Tables *": "*",
        "Scan *": "*",
    }
    for kind, letter in (("int", "i"), ("uint", "u")):
        for size in (1, 2, 4, 8):
            types |= {f"const {kind}{8 * size}_t *": f"{letter}{size}", f"{kind}{8 * size}_t *": f"{letter}{size}!"}
    types |= {"const float *": "f4", "float *": "f4!", "const double *": "f8", "double *": "f8!", "void *": "u1!"}
    return [types[re.sub(r"\w+$", "", parameter.strip()).strip()] for parameter in parameters.split(",")]


def test_kernels_take_what_c_takes():
    """`const` tells where nothing is written; a view's own does not."""
    exported = {
        name: words(parameters) for text in TEXT.values()
        for name, parameters in re.findall(r"EXPORT \w+ (\w+)\(([^)]*)\)\s*\{", text) if parameters != "void"
    }  # fmt: skip
    assert exported.keys() == KERNELS.keys()
    for name, kernel in KERNELS.items():
        assert ["~" if word.startswith("~") else word for word in kernel._words] == exported[name]


# -- what is passed is checked

decode = Kernel("stc_decode", "u1 n n i4 n u1!")
gather = Kernel("gather_cells", "~u1 ~u1 n n i8 n n n n n i2! i2! i2!")


def misaligned(kind: type[np.generic], count: int) -> np.ndarray:
    return np.zeros(count * np.dtype(kind).itemsize + 1, np.uint8)[1:].view(kind)


def frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("place", "wrong"), [
    (0, np.zeros((1, 8), np.int8)), (0, np.zeros((1, 16), np.uint8)[:, ::2]), (0, np.zeros((8, 2), np.uint8).T[:1]),
    (3, stc.COLUMNS.astype(np.int64)), (3, stc.COLUMNS.astype(">i4")), (3, misaligned(np.int32, 64)),
    (3, stc.COLUMNS[::-1]), (5, frozen(np.zeros((1, 2), np.uint8))), (5, np.zeros((1, 2), bool)),
])  # fmt: skip
def test_other_arrays_are_refused(place, wrong):
    arguments = [np.zeros((1, 8), np.uint8), 1, 8, stc.COLUMNS, 2, np.zeros((1, 2), np.uint8)]
    decode(*arguments)
    arguments[place] = wrong
    with pytest.raises(ValueError, match="a kernel wants"):
        decode(*arguments)


@pytest.mark.parametrize(("array", "writable"), [
    (np.zeros((2, 2), np.int16), False), (np.zeros((1, 1, 1, 1), np.uint8), False),
    (frozen(np.zeros(3, np.uint8)), True),
])  # fmt: skip
def test_other_views_are_refused(array, writable):
    with pytest.raises(ValueError, match="a kernel wants"):
        native.view(array, "u1", writable=writable)


def test_views_know_where_their_elements_are():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)[:, ::-1, ::2]
    found = native.view(array, "i2")
    assert tuple(found.stride) == array.strides == (24, -8, 4)
    assert ctypes.c_int16.from_address(found.data + 24 - 8 + 4).value == array[1, 1, 1]
    assert ctypes.c_int16.from_address(found.data).value == array[0, 0, 0] == 8
    with pytest.raises(ValueError, match="i2"):
        native.view(misaligned(np.int16, 4), "i2")


def test_the_number_of_arguments_has_to_be_right():
    with pytest.raises(ValueError, match="argument"):
        decode(np.zeros(8, np.uint8), 1, 8, stc.COLUMNS, 2)


def test_numbers_have_to_be_numbers():
    for wrong in (1.5, "1", None):
        with pytest.raises(ctypes.ArgumentError):
            decode(np.zeros(8, np.uint8), wrong, 8, stc.COLUMNS, 2, np.zeros(2, np.uint8))


# -- the library


@pytest.fixture
def no_library(tmp_path, monkeypatch):
    monkeypatch.setattr(native, "FOLDER", tmp_path)
    native.library.cache_clear()
    native.digest.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    native.library.cache_clear()
    native.digest.cache_clear()


@pytest.mark.parametrize("damage", ["missing", "empty", "another file"])
def test_without_a_library_one_is_told_to_reinstall(no_library, damage):
    file = no_library / f"baseline{native.SUFFIX}"
    if damage != "missing":
        file.write_bytes(b"" if damage == "empty" else b"<html>" * 1000)
    for use in (native.digest, lambda: Kernel("stc_memory", "n n")(1, 1)):
        with pytest.raises(StegcinnError, match="reinstall stegcinn") as error:
            use()
        assert "\n" not in str(error.value)


def test_a_library_of_another_release_is_told():
    with pytest.raises(StegcinnError, match="reinstall stegcinn"):
        Kernel("no_such_loop", "n")(1)


def test_the_digest_is_that_of_the_library_in_use():
    file = Path(native.library()._name)
    assert file.parent == native.FOLDER
    assert native.digest() == hashlib.sha256(file.read_bytes()).hexdigest()


def test_threads_run_kernels_side_by_side():
    """A call lets go of the interpreter's lock: what another thread does meanwhile goes on.

    If it did not, the other thread would stand still for as long as the call takes. On a busy machine it may stand
    still for want of a core, so that one call of several is enough.
    """
    bits, out = np.zeros((1, 30_000_000), np.uint8), np.zeros((1, 1000), np.uint8)
    longest = []
    for _ in range(20):
        thread = threading.Thread(target=decode, args=(bits, 1, bits.size, stc.COLUMNS, out.size, out))
        thread.start()
        times = [time.perf_counter()]
        while thread.is_alive():
            times.append(time.perf_counter())
        times.append(time.perf_counter())
        longest.append(np.diff(times).max() / (times[-1] - times[0]))
        if longest[-1] < 0.5:
            return
    raise AssertionError(f"of each call, the other thread stood still for {longest}")


# -- spread over threads


@pytest.mark.parametrize(("count", "size"), [(0, 5), (1, 5), (5, 5), (6, 5), (1000, 7), (3, 100)])
def test_parts_are_all_of_it_in_order(count, size):
    parts = native.in_parts(lambda part: part, count, size)
    assert [i for part in parts for i in range(count)[part]] == list(range(count))
    assert all(first.stop == second.start == first.start + size for first, second in pairwise(parts))


def test_one_part_needs_no_thread():
    assert native.in_parts(lambda part: threading.current_thread(), 5, 5) == [threading.current_thread()]
    assert threading.current_thread() not in native.in_parts(lambda part: threading.current_thread(), 6, 5)


def test_an_error_in_a_part_is_an_error():
    def fail(part: slice) -> None:
        if part.start == 20:
            raise StegcinnError("of a part")

    with pytest.raises(StegcinnError, match="of a part"):
        native.in_parts(fail, 100, 10)
