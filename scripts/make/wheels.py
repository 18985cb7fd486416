"""Wheels for all platforms from this one machine, checked; the one that runs here is installed and used.

python scripts/make/wheels.py [PLATFORM ...] [--out dist]

zig compiles for each platform; of each wheel, the files, the tags, and the libraries' processors, symbols and needs are
checked, and a bill of materials is put beside it (see bills.py). The wheel of this machine is installed in a fresh
environment with what it depends on, from pip's index, and hides and reveals there. Where qemu-aarch64 is, the loops
answer on that processor what they answer here. The exit code is 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import bills
import binaries

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "src" / "stegcinn" / "native"
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "*.pyc", "__pycache__", "build", "dist", "demo", "runs", "shared", ".*_cache", ".hypothesis",
    "*.so", "*.dylib", "*.dll",
)  # fmt: skip
# What the loops want of a C library; and of the system, on macOS
WANTED = {
    "log2", "logf", "lrintf", "rint", "memchr", "memcmp", "memcpy", "memmove", "memset", "bcmp", "bzero", "__bzero",
    "memset_pattern16", "dyld_stub_binder",
}  # fmt: skip


@dataclass(frozen=True)
class Platform:
    """One that wheels are made for; `target` is zig's name of it, `versions` the newest that it may need."""

    target: str
    tag: str
    form: str
    suffix: str
    needed: frozenset[str]
    versions: str = ""

    @property
    def machine(self) -> str:
        return self.target.partition("-")[0]


def _platforms() -> Iterator[Platform]:
    for machine in ("x86_64", "aarch64"):
        glibc = f"manylinux_2_17_{machine}.manylinux2014_{machine}"
        libraries = frozenset({"libc.so.6", "libm.so.6"})
        yield Platform(f"{machine}-linux-gnu.2.17", glibc, "ELF", ".so", libraries, "GLIBC_2.17")
        yield Platform(f"{machine}-linux-musl", f"musllinux_1_2_{machine}", "ELF", ".so", frozenset({"libc.so"}))
        arm = {"x86_64": "x86_64", "aarch64": "arm64"}[machine]
        library = frozenset({"/usr/lib/libSystem.B.dylib"})
        yield Platform(f"{machine}-macos.11.0", f"macosx_11_0_{arm}", "Mach-O", ".dylib", library, "macOS_11.0")
    runtime = "environment", "heap", "math", "private", "runtime", "stdio", "string", "time"
    libraries = frozenset({"kernel32.dll", *(f"api-ms-win-crt-{part}-l1-1-0.dll" for part in runtime)})
    yield Platform("x86_64-windows-gnu", "win_amd64", "PE", ".dll", libraries)


PLATFORMS = tuple(_platforms())


class WrongError(Exception):
    """A wheel is not what it should be."""


def require(holds: bool, *what: object) -> None:
    if not holds:
        raise WrongError(" ".join(map(str, what)))


# -- building


def copy_tree(tree: Path) -> Path:
    """The source tree without what is made of it."""
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
    return tree


@cache
def epoch() -> str:
    """Seconds of the last commit when first asked; the earliest that a ZIP file can hold where there is no git."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "315532800"
    return done.stdout.strip() or "315532800"


def build(tree: Path, out: Path, target: Platform | None, caches: Path) -> Path:
    """The wheel of a source tree: for this machine by its own compiler, if it has one, or for another one by zig."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch()}
    environment |= {f"ZIG_{which}_CACHE_DIR": str(caches) for which in ("GLOBAL", "LOCAL")}
    if target:
        environment |= {"STEGCINN_TARGET": target.target, "STEGCINN_PLATFORM_TAG": target.tag}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    before = set(out.glob("*.whl"))
    done = subprocess.run(
        command, cwd=tree, env=environment, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise SystemExit(done.stdout)
    (wheel,) = set(out.glob("*.whl")) - before
    return wheel


# -- looking


def check(wheel: Path, target: Platform) -> None:
    """WrongError unless name, tags and files are as they should be, and so are the libraries."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    levels = ("avx2", "baseline") if target.machine == "x86_64" else ("baseline",)
    libraries = {f"stegcinn/native/{level}{target.suffix}" for level in levels}
    sources = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*") if _is_shipped(path)}
    ours = {name for name in contents if not re.match(r"stegcinn-[^/]+\.dist-info/", name)}
    require(ours == sources | libraries, "files differ:", sorted(ours ^ (sources | libraries)))
    require(wheel.name.endswith(f"-py3-none-{target.tag}.whl"), "the name is", wheel.name)
    (metadata,) = (data.decode() for name, data in contents.items() if name.endswith(".dist-info/WHEEL"))
    tags = set(re.findall(r"^Tag: (.+)$", metadata, re.MULTILINE))
    require(tags == {f"py3-none-{tag}" for tag in target.tag.split(".")}, "tags are", tags)
    require("Root-Is-Purelib: false" in metadata, "it is said to be pure Python")
    for name in libraries:
        check_library(binaries.read(contents[name]), target)


def _is_shipped(path: Path) -> bool:
    made = path.suffix in (".pyc", ".nbc", ".nbi", ".so", ".dylib", ".dll")
    return path.is_file() and not made and (path.parent != NATIVE)


def check_library(library: binaries.Library, target: Platform) -> None:
    """WrongError if it is for another processor, or needs more than the platform has."""
    exported = {name for path in NATIVE.glob("*.c") for name in re.findall(r"EXPORT \w+ (\w+)\(", path.read_text())}
    require((library.form, library.machine) == (target.form, target.machine), "it is", library.form, library.machine)
    require(library.needed <= target.needed, "needs", sorted(library.needed - target.needed))
    newer = {version for version in library.versions if _number(version) > _number(target.versions)}
    require(not newer, "needs", newer)
    require(exported <= library.offered, "lacks", sorted(exported - library.offered))
    if target.form != "PE":  # its own C library is inside, and wants more
        require(library.wanted <= WANTED, "wants", sorted(library.wanted - WANTED))


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


# -- using


def runs_here(target: Platform) -> bool:
    machine = platform.machine().lower().replace("amd64", "x86_64").replace("arm64", "aarch64")
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")
    if system == "linux":
        system = "linux-gnu" if platform.libc_ver()[0] == "glibc" else "linux-musl"
    return target.target.startswith(f"{machine}-{system}")


def use(wheel: Path, folder: Path) -> None:
    """Install it in a fresh environment, and hide and reveal there."""
    venv.create(folder / "fresh", with_pip=True)
    binaries_ = folder / "fresh" / ("Scripts" if sys.platform == "win32" else "bin")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STEGCINN"))}

    def run(*command: str) -> str:
        done = subprocess.run([str(binaries_ / command[0]), *command[1:]], cwd=folder, env=clean, text=True,
                              capture_output=True, check=False)  # fmt: skip
        require(done.returncode == 0, *command, done.stdout, done.stderr)
        return done.stdout

    run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    print(run("stegcinn", "--version").partition("\n")[0])
    (folder / "secret").write_bytes(bytes(range(256)))
    photo = "import numpy, PIL.Image; PIL.Image.fromarray((numpy.random.default_rng(0).normal(128, 20, (96, 128, 3)))"
    run("python", "-c", photo + '.clip(0, 255).astype("uint8")).save("photo.png")')
    for codec in ("stealth", "exact", "cinn"):
        run("stegcinn", "hide", "photo.png", "secret", "--codec", codec, "--output", f"{codec}.png")
        run("stegcinn", "reveal", f"{codec}.png", "--output", f"{codec}.out")
        require((folder / f"{codec}.out").read_bytes() == bytes(range(256)), codec, "gives other bytes")
    print(f"installed: {sum(p.stat().st_size for p in (folder / 'fresh').rglob('*') if p.is_file()) / 1e6:.0f} MB")


def emulate(folder: Path) -> None:
    """What the loops answer on another processor, under qemu: the same as here."""
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is None:
        print("aarch64: not run, as there is no qemu-aarch64")
        return
    sources = [str(Path(__file__).with_name("answers.c")), *map(str, NATIVE.glob("*.c"))]
    answers = {}
    for machine, runner in (("x86_64", []), ("aarch64", [emulator])):
        made = folder / machine
        options = ["-target", f"{machine}-linux-musl", "-std=c11", "-O3", "-ffp-contract=off", f"-I{NATIVE}"]
        subprocess.run([sys.executable, "-m", "ziglang", "cc", *options, *sources, "-o", str(made)], check=True)
        answers[machine] = subprocess.run(
            [*runner, str(made)], capture_output=True, text=True, check=True
        ).stdout.strip()
    print(f"answers under qemu: {answers}")
    require(len(set(answers.values())) == 1, "processors differ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = {target.target: target for target in PLATFORMS}
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="where wheels are left (default: %(default)s)")
    arguments = parser.parse_args()
    if set(arguments.platforms) - set(names):
        parser.error(f"platforms are {', '.join(names)}")
    out = arguments.out.resolve()
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tree = copy_tree(folder / "tree")
        for name in arguments.platforms or names:
            target = names[name]
            for old in out.glob(f"stegcinn-*-py3-none-{target.tag}.whl*"):
                old.unlink()
            wheel = build(tree, out, target, folder / "caches")
            try:
                check(wheel, target)
                if runs_here(target):
                    use(wheel, folder)
            except WrongError as error:
                print(f"{wheel.name}: {error}")
                wrong += 1
            else:
                bills.write(wheel, out)
                print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB", flush=True)
        try:
            emulate(folder)
        except WrongError as error:
            print(error)
            wrong += 1
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
