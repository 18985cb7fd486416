"""Loops compiled by numba at first use, or loaded from its cache, and threads to run them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numba

WORKERS = min(8, os.cpu_count() or 1)  # threads that kernels and networks are spread over

Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")


def in_parts(work: Callable[[slice], Result], count: int, size: int) -> list[Result]:
    """Results of `work` for all of `count` things, `size` at a time, in several threads."""
    parts = [slice(start, start + size) for start in range(0, count, size)]
    if len(parts) < 2:  # not worth a thread
        return list(map(work, parts))
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, parts))


def array(dtype: str, dimensions: int, layout: Any = "C", writable: bool = False) -> Any:
    """The type of an array argument; layout "A" takes any strides."""
    return numba.types.Array(getattr(numba.types, dtype), dimensions, layout, readonly=not writable)


def compiled(kernel: Function, types: tuple[Any, ...]) -> Function:
    """Machine code for one signature. It releases the interpreter lock."""
    build = functools.partial(numba.njit, types, nogil=True, error_model="numpy")
    try:
        return cast(Function, build(cache=True)(kernel))
    except RuntimeError:  # there is nowhere to write the cache
        return cast(Function, build()(kernel))


def inlined(function: Function) -> Function:
    """A function that compiled ones may call.

    For functions of numbers only: handing over an array costs two atomic counts of references.
    """
    return cast(Function, numba.njit(nogil=True, error_model="numpy", inline="always")(function))
