"""The compiled loops of `native/jpeg.c`."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path


@cache
def library() -> ctypes.CDLL:
    """The library, compiled at first use."""
    with tempfile.TemporaryDirectory() as folder, as_file(files("stegcinn") / "native" / "jpeg.c") as source:
        made = Path(folder, "jpeg.so")
        flags = ("-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-fPIC", "-shared")
        subprocess.run(["cc", *flags, "-o", str(made), str(source)], check=True)
        loaded = ctypes.CDLL(str(made))
    for name in ("jpeg_decode", "jpeg_recode", "jpeg_price"):
        getattr(loaded, name).restype = ctypes.c_int64
    return loaded
