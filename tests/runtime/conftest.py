"""Every library of compiled loops, for tests that ask for `run`."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from typing import Any

import pytest

from stegcinn.runtime import native
from stegcinn.runtime.native import Kernel

LIBRARIES = ["baseline", "avx2", "generic"] if platform.machine() in ("x86_64", "AMD64") else ["baseline"]


@pytest.fixture(scope="module", params=LIBRARIES)
def run(request, tmp_path_factory) -> Any:
    """Calls a kernel in one of the libraries; "generic" is without vector instructions, as other processors have it."""
    if request.param == "generic":
        if shutil.which("cc") is None:
            pytest.skip("there is no compiler")
        made = tmp_path_factory.mktemp("generic") / f"generic{native.SUFFIX}"
        flags = ["-std=c11", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-U__SSE2__", "-U__AVX2__"]
        subprocess.run(["cc", *flags, *map(str, native.FOLDER.glob("*.c")), "-o", str(made), "-lm"], check=True)
        loaded = ctypes.CDLL(str(made))
    else:
        if request.param == "avx2" and not native.library().runs_avx2():
            pytest.skip("this machine does not run AVX2")
        loaded = native._load(request.param)
    kernels: dict[str, Kernel] = {}

    def call(kernel: Kernel, *arguments: Any) -> int:
        if kernel._name not in kernels:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(native, "library", lambda: loaded)
                kernels[kernel._name] = Kernel(kernel._name, " ".join(kernel._words))
                assert kernels[kernel._name]._function
        return kernels[kernel._name](*arguments)

    return call
