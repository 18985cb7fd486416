"""The build hook: with the system's compiler and with zig's, what it asks for, what it says, and what it leaves."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
pytest.importorskip("hatchling")
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")
needs_zig = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")


@pytest.fixture
def build(monkeypatch) -> ModuleType:
    """hatch_build.py, where nobody has chosen a compiler or a target."""
    for name in ("CC", "STEGCINN_TARGET", "STEGCINN_PLATFORM_TAG"):
        monkeypatch.delenv(name, raising=False)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path, build) -> Path:
    """The sources in a tree of their own."""
    (tmp_path / "tree").mkdir()
    ours = tmp_path / "tree" / build.SOURCES
    shutil.copytree(ROOT / build.SOURCES, ours, ignore=shutil.ignore_patterns("*.so", "*.dylib", "*.dll"))
    return tmp_path / "tree"


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary files go."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def hook(build: ModuleType, tree: Path) -> Any:
    return build.LoopsHook(str(tree), {}, None, None, "", "wheel")


def without_compilers(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda command: None)


def works(library: Path) -> bool:
    function = ctypes.CDLL(str(library)).stc_memory
    function.argtypes, function.restype = (ctypes.c_int64, ctypes.c_int64), ctypes.c_int64
    return function(10, 2) == 10 * (64 * 16 * 2 + 16 * 6) + 2 * 32


@pytest.mark.parametrize("compiler", [
    pytest.param("system", marks=needs_cc), pytest.param("zig", marks=[needs_zig, pytest.mark.slow]),
])  # fmt: skip
@pytest.mark.parametrize(("version", "home"), [("standard", "none"), ("editable", "read-only")])
def test_libraries_are_made_and_nothing_else_stays(
    build, tree, temporary, tmp_path, monkeypatch, compiler, version, home
):
    before = files(tree)
    if compiler == "zig":
        without_compilers(build, monkeypatch)
    if home == "none":
        monkeypatch.delenv("HOME", raising=False)
    else:
        (tmp_path / "home").touch()  # a file, as the superuser may write to any folder
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
    data: dict[str, Any] = {"force_include": {}}
    ours = hook(build, tree)
    ours.initialize(version, data)
    if version == "editable":
        suffixes = dict(build.SUFFIXES.values())
        libraries = [path for path in (tree / build.SOURCES).iterdir() if path.suffix in suffixes]
        assert not data["force_include"]
    else:
        libraries = [Path(path) for path in data["force_include"]]
        assert [f"stegcinn/native/{path.name}" for path in libraries] == [*data["force_include"].values()]
        assert files(tree) == before
    assert "baseline" in {path.stem for path in libraries} <= {"baseline", "avx2"}
    assert all(works(library) for library in libraries)
    assert data["pure_python"] is False
    assert re.fullmatch(r"py3-none-[a-z0-9]+(_[a-z0-9]+)+", data["tag"])
    ours.finalize(version, data, "")
    assert files(temporary) == set()
    assert files(tree) - before == {str(path.relative_to(tree)) for path in libraries if version == "editable"}
    assert files(tmp_path) - {"home"} == {"tree", "temporary"} | {f"tree/{name}" for name in files(tree)}


@needs_zig
@pytest.mark.slow
def test_zigs_libraries_run_on_every_processor_of_a_kind(build, tree, monkeypatch):
    """Left to itself zig uses all that this machine's processor has."""
    objdump = shutil.which("objdump")
    if objdump is None or build.platform.machine() != "x86_64":
        pytest.skip("there is no objdump that reads x86-64")
    without_compilers(build, monkeypatch)
    ours, data = hook(build, tree), {"force_include": {}}
    ours.initialize("standard", data)
    found = {Path(path).stem: subprocess.run([objdump, "-d", path], capture_output=True, text=True, check=True).stdout
             for path in data["force_include"]}  # fmt: skip
    ours.finalize("standard", data, "")
    assert not re.search("%[yz]mm", found["baseline"])
    assert "%ymm" in found["avx2"]
    assert not re.search("%zmm|vfn?m(add|sub)", found["avx2"])


@needs_cc
def test_a_chosen_compiler_is_used_with_its_options_and_one_that_fails_is_passed_over(build, tree, monkeypatch):
    sources = tree / build.SOURCES
    assert build._system_compiler(sources) == ["cc"]
    monkeypatch.setenv("CC", "cc -DCHOSEN")
    assert build._system_compiler(sources) == ["cc", "-DCHOSEN"]
    for broken in ("cc --no-such-option", "false", "no-such-compiler", ""):
        monkeypatch.setenv("CC", broken)
        assert build._system_compiler(sources) == ["cc"]


@needs_cc
def test_all_that_the_compiler_says_is_shown(build, tree, temporary):
    source = tree / build.SOURCES / "stc.c"
    source.write_text(source.read_text() + "\n".join(f'#error "wrong {i}"' for i in range(100)) + "\n")
    before = files(tree)
    with pytest.raises(RuntimeError, match="do not compile") as error:
        hook(build, tree).initialize("editable", {"force_include": {}})
    assert all(f"wrong {i}" in str(error.value) for i in range(100))
    assert "cc -std=c11" in str(error.value)
    assert files(tree) == before
    assert files(temporary) == set()


def test_without_any_compiler_the_remedy_is_told(build, tree, temporary, monkeypatch):
    without_compilers(build, monkeypatch)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"no C compiler: install one, or ziglang \(pip install ziglang\)"):
        hook(build, tree).initialize("standard", {"force_include": {}})
    assert files(temporary) == set()


def test_zig_is_asked_for_only_where_it_is_needed(build, tree, monkeypatch):
    with monkeypatch.context() as patch:
        without_compilers(build, patch)
        assert hook(build, tree).dependencies() == ["ziglang"]
    if shutil.which("cc"):
        assert hook(build, tree).dependencies() == []
    monkeypatch.setenv("STEGCINN_TARGET", "aarch64-linux-musl")
    assert hook(build, tree).dependencies() == ["ziglang"]


@needs_zig
@pytest.mark.slow
def test_another_machine_can_be_chosen(build, tree, temporary, monkeypatch):
    monkeypatch.setenv("STEGCINN_TARGET", "aarch64-macos.11.0")
    monkeypatch.setenv("STEGCINN_PLATFORM_TAG", "macosx_11_0_arm64")
    ours, data = hook(build, tree), {"force_include": {}}
    ours.initialize("standard", data)
    (library,) = data["force_include"]
    assert Path(library).read_bytes()[:8] == b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01"  # Mach-O of 64 bits, ARM
    assert data["tag"] == "py3-none-macosx_11_0_arm64"
    ours.finalize("standard", data, "")
    assert files(temporary) == set()


@needs_cc
@pytest.mark.slow
def test_a_wheel_has_libraries_and_no_sources_of_them(tree, build, tmp_path):
    """The package of Python files alone; scripts/make/wheels.py looks at whole wheels."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    (tree / build.SOURCES.parent / "__init__.py").touch()
    (tree / build.SOURCES / f"baseline{build.SUFFIXES['linux'][0]}").write_bytes(b"of an editable installation")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "out")]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (wheel,) = (tmp_path / "out").iterdir()
    assert re.fullmatch(r"stegcinn-[\d.]+-py3-none-(linux|macosx|win)\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.startswith("stegcinn-")}
        assert {Path(name).stem for name in names - {"stegcinn/__init__.py"}} <= {"baseline", "avx2"}
        assert all(len(archive.read(name)) > 1000 for name in names if "native" in name)
        (metadata,) = (archive.read(name) for name in archive.namelist() if name.endswith("/WHEEL"))
    assert b"Root-Is-Purelib: false" in metadata
