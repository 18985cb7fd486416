"""Compile the inner loops when a wheel is built, or the package is installed for editing.

With the system's compiler where one works ($CC, cc, gcc, clang), else with zig's, which comes as a Python package and
is asked for only then. `STEGCINN_TARGET` ("x86_64-linux-musl", ...) and `STEGCINN_PLATFORM_TAG` choose another machine,
for which zig compiles; scripts/make/wheels.py sets them.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("src", "stegcinn", "native")
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-fPIC", "-Wall", "-Wextra", "-shared"]
LEVELS = {"x86_64": {"baseline": [], "avx2": ["-mavx2"]}}  # of other processors, one
ZIG = "ziglang"


class LoopsHook(BuildHookInterface[Any]):
    """Adds the libraries to a wheel and tags it for its platform."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What is needed to build besides hatchling."""
        return [] if _system_compiler() else [ZIG]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile: into the source tree for an editable installation, else aside."""
        target = os.environ.get("STEGCINN_TARGET", "")
        machine = (target.split("-")[0] or platform.machine()).lower().replace("amd64", "x86_64")
        system = next((name for name in ("windows", "macos") if name in target), "") or ("" if target else sys.platform)
        suffix = {"win32": ".dll", "windows": ".dll", "darwin": ".dylib", "macos": ".dylib"}.get(system, ".so")
        self._aside = None if version == "editable" else Path(tempfile.mkdtemp())
        folder = self._aside or Path(self.root) / SOURCES
        compiler = _zig(target) if target else _system_compiler() or _zig("")
        for level, flags in LEVELS.get(machine, {"baseline": []}).items():
            library = folder / f"{level}{suffix}"
            _compile(compiler, flags, sorted((Path(self.root) / SOURCES).glob("*.c")), library, suffix)
            if self._aside:
                build_data["force_include"][str(library)] = f"stegcinn/native/{library.name}"
        tag = os.environ.get("STEGCINN_PLATFORM_TAG") or _platform_tag()
        build_data |= {"pure_python": False, "tag": f"py3-none-{tag}"}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if self._aside:
            shutil.rmtree(self._aside, ignore_errors=True)


def _platform_tag() -> str:
    if sys.platform == "darwin":
        return f"macosx_11_0_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _system_compiler() -> list[str] | None:
    """The first compiler that makes a library of a line of C; MSVC is none of them."""
    candidates = [shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "works.c")
        source.write_text("#include <stdint.h>\nint64_t works(void) { return 1; }\n")
        for command in candidates:
            if command and shutil.which(command[0]):
                done = subprocess.run([*command, *FLAGS, str(source), "-o", f"{source}.out"], capture_output=True)
                if done.returncode == 0:
                    return command
    return None


def _zig(target: str) -> list[str]:
    if importlib.util.find_spec(ZIG) is None:
        raise RuntimeError(f"there is no C compiler: install one, or {ZIG} (pip install {ZIG})")
    return [sys.executable, "-m", ZIG, "cc", *(["-target", target] if target else [])]


def _compile(compiler: list[str], flags: list[str], sources: list[Path], library: Path, suffix: str) -> None:
    """Compile to `library`, whose place is taken only by one that is whole; RuntimeError with all the compiler says."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, library.name)
        math = [] if suffix == ".dll" else ["-lm"]
        caches = {f"ZIG_{which}_CACHE_DIR": str(Path(folder, which)) for which in ("GLOBAL", "LOCAL")}
        command = [*compiler, *FLAGS, *flags, *map(str, sources), "-o", str(made), *math]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **caches})
        if done.returncode:
            raise RuntimeError(f"the inner loops do not compile:\n{shlex.join(command)}\n{done.stdout}{done.stderr}")
        shutil.copyfile(made, library.with_name(f".{library.name}"))
        library.with_name(f".{library.name}").replace(library)
