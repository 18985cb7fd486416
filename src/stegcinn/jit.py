"""Loops compiled by numba at first use, or loaded from its cache."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

WORKERS = min(8, os.cpu_count() or 1)  # threads that kernels and networks are spread over

Function = TypeVar("Function", bound=Callable[..., Any])


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
