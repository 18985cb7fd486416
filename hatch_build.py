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
FLAGS = [
    "-std=c11", "-O3", "-g0", "-ffp-contract=off", "-fno-trapping-math", "-fvisibility=hidden", "-fPIC", "-shared",
    "-Wall", "-Wextra",
]  # fmt: skip
LEVELS = {"x86_64": {"baseline": [], "avx2": ["-mavx2"]}}  # of other processors, one
SUFFIXES = {"linux": (".so", ["-lm"]), "macos": (".dylib", []), "windows": (".dll", [])}  # and libraries
SYSTEMS = {"darwin": "macos", "win32": "windows"}  # by what Python calls them; others are like Linux
MACOS = "11.0"  # the oldest that libraries made here run on
ZIG = "ziglang"
WORKS = '#include "native.h"\nEXPORT double works(double x) { return log2(x); }\n'


class LoopsHook(BuildHookInterface[Any]):
    """Adds the libraries to a wheel and tags it for its platform."""

    PLUGIN_NAME = "custom"
    _aside: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """What is needed to build besides hatchling."""
        return [ZIG] if _target() or not _system_compiler(self._sources) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile: into the source tree for an editable installation, else aside."""
        sources = self._sources
        machine = (_target().split("-")[0] or platform.machine()).lower().replace("amd64", "x86_64")
        named = [system for system in SUFFIXES if system in _target()]
        suffix, libraries = SUFFIXES[named[0] if named else SYSTEMS.get(sys.platform, "linux")]
        compiler = _zig(_target()) if _target() else _system_compiler(sources) or _zig("")
        self._aside = tempfile.TemporaryDirectory()
        for level, flags in LEVELS.get(machine, {"baseline": []}).items():
            library = Path(self._aside.name, f"{level}{suffix}")
            done = _run([*compiler, *FLAGS, *flags, *map(str, sorted(sources.glob("*.c"))), *libraries], library)
            if done.returncode:
                self._aside.cleanup()
                raise RuntimeError(f"the inner loops do not compile:\n{shlex.join(done.args)}\n{done.stdout}")
            if version == "editable":
                _put(library, sources)
            else:
                build_data["force_include"][str(library)] = f"stegcinn/native/{library.name}"
        tag = os.environ.get("STEGCINN_PLATFORM_TAG") or _platform_tag()
        build_data |= {"pure_python": False, "tag": f"py3-none-{tag}"}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if self._aside:
            self._aside.cleanup()

    @property
    def _sources(self) -> Path:
        return Path(self.root).resolve() / SOURCES


def _target() -> str:
    return os.environ.get("STEGCINN_TARGET", "")


def _platform_tag() -> str:
    if sys.platform == "darwin":
        return f"macosx_{MACOS}_{platform.machine()}".replace(".", "_")
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _system_compiler(sources: Path) -> list[str] | None:
    """The first compiler that makes a library of a line of C; MSVC is none of them."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "works.c")
        source.write_text(WORKS)
        for command in (shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]):
            if command and shutil.which(command[0]):
                libraries = [] if sys.platform in SYSTEMS else ["-lm"]
                tried = [*command, *FLAGS, f"-I{sources}", str(source), *libraries]
                if _run(tried, Path(folder, "works.out")).returncode == 0:
                    return command
    return None


def _zig(target: str) -> list[str]:
    """Its compiler, for any processor of a kind: left alone it would use all that this machine's has."""
    if importlib.util.find_spec(ZIG) is None:
        raise RuntimeError(f"there is no C compiler: install one, or {ZIG} (pip install {ZIG})")
    return [sys.executable, "-m", ZIG, "cc", "-mcpu=baseline", "-s", *(["-target", target] if target else [])]


def _run(command: list[str], made: Path) -> subprocess.CompletedProcess[str]:
    """Run a compiler, whose caches go where `made` does. It is told the mere name, which some libraries hold."""
    caches = {f"ZIG_{which}_CACHE_DIR": str(made.parent / which) for which in ("GLOBAL", "LOCAL")}
    environment = {"MACOSX_DEPLOYMENT_TARGET": MACOS, **caches, **os.environ}
    return subprocess.run(
        [*command, "-o", made.name], cwd=made.parent, env=environment, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


def _put(library: Path, folder: Path) -> None:
    """Copy it so that its place is only ever taken by a whole one; others may run the last one meanwhile."""
    shutil.copyfile(library, folder / f".{library.name}")
    (folder / f".{library.name}").replace(folder / library.name)
