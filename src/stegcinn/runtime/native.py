"""The compiled inner loops (`stegcinn/native/*.c`) through ctypes, and threads to run them.

They are compiled when the package is built (hatch_build.py). A call releases the interpreter's lock.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from stegcinn.errors import StegcinnError

WORKERS = min(8, os.cpu_count() or 1)  # threads that kernels and networks are spread over
FOLDER = Path(__file__).parents[1] / "native"
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")

Array = npt.NDArray[Any]
Result = TypeVar("Result")


def in_parts(work: Callable[[slice], Result], count: int, size: int) -> list[Result]:
    """Results of `work` for all of `count` things, `size` at a time, in several threads."""
    parts = [slice(start, start + size) for start in range(0, count, size)]
    if len(parts) < 2:  # not worth a thread
        return list(map(work, parts))
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, parts))


class View(ctypes.Structure):
    """An array of up to three dimensions with any strides, in bytes; `view` makes one."""

    _fields_ = (("data", ctypes.c_void_p), ("stride", ctypes.c_int64 * 3))


def view(array: Array, element: str, *, writable: bool = False) -> View:
    """What a kernel gets of an array of elements such as "u1" or "f8"; ValueError for others. Keep the array alive."""
    if array.ndim > 3:
        raise ValueError(f"a kernel wants at most three dimensions, not {array.ndim}")
    return View(address(array, element, writable), array.strides)


class Kernel:
    """A compiled function, found in the library at its first call.

    `arguments` has a word for each: "n" for a whole number, "f" for a float32, "*" for a ctypes structure; for arrays
    their elements ("u1", "i2", "f8", ...), C-contiguous, or any strides with a "~" in front; with "!" behind where the
    kernel writes. Calls raise ValueError for arrays of another kind; shapes are for the caller to check.
    """

    def __init__(self, name: str, arguments: str) -> None:
        self._name = name
        self._words = arguments.split()

    @cached_property
    def _function(self) -> Any:
        try:
            function = getattr(library(), self._name)
        except AttributeError as error:  # the source tree of an editable installation has changed
            raise _unusable(error) from None
        scalars = {"n": ctypes.c_int64, "f": ctypes.c_float}
        function.argtypes = [scalars.get(word, ctypes.c_void_p) for word in self._words]
        function.restype = ctypes.c_int64
        return function

    def __call__(self, *arguments: Any) -> int:
        """What it returns; for kernels that return nothing, nothing that means anything."""
        passed = [_passed(argument, word) for argument, word in zip(arguments, self._words, strict=True)]
        result: int = self._function(*passed)
        return result


def _passed(argument: Any, word: str) -> Any:
    if word in ("n", "f"):
        return argument
    if word == "*":
        return ctypes.byref(argument)
    writable, word = word.endswith("!"), word.removesuffix("!")
    if word.startswith("~"):
        return ctypes.byref(view(argument, word[1:], writable=writable))
    if not argument.flags.c_contiguous:
        raise ValueError("a kernel wants a contiguous array here")
    return address(argument, word, writable)


def address(array: Array, element: str, writable: bool = False) -> int:
    """Where an array of such elements begins; ValueError for another."""
    flags = array.flags
    if array.dtype != np.dtype(element) or not flags.aligned or (writable and not flags.writeable):
        raise ValueError(f"a kernel wants {element} here, aligned{' and writable' * writable}, not {array.dtype}")
    begin: int = array.__array_interface__["data"][0]
    return begin


@cache
def library() -> ctypes.CDLL:
    """The best library that this machine runs; StegcinnError if the package lacks it."""
    baseline = _load("baseline")
    return _load("avx2") if baseline.runs_avx2() else baseline


@cache
def digest() -> str:
    """SHA-256 of the library in use."""
    return hashlib.sha256(Path(library()._name).read_bytes()).hexdigest()


def _load(level: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(FOLDER / f"{level}{SUFFIX}"))
    except OSError as error:
        raise _unusable(error) from None


def _unusable(error: Exception) -> StegcinnError:
    return StegcinnError(f"the compiled part of stegcinn cannot be loaded ({error}); reinstall stegcinn")
