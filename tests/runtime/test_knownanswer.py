"""The known answer: asked once per machine, wrong ones are told, and a damaged release gives one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from stegcinn.codecs.exact.codec import ExactCodec
from stegcinn.colourmodel.networks import ColourModel
from stegcinn.errors import MachineError, StegcinnError
from stegcinn.runtime import knownanswer
from stegcinn.runtime.weights import Release, release


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder of the user, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    return tmp_path / "home" / "cache" / "stegcinn"


class Asked:
    """An answer that counts how often it is computed."""

    def __init__(self, answer: str = "42") -> None:
        self.answer, self.times = answer, 0

    def __call__(self) -> str:
        self.times += 1
        return self.answer


def test_a_right_answer_is_remembered(cache):
    compute = Asked()
    for _ in range(3):
        knownanswer.require("codec", "42", compute)
    assert compute.times == 1
    (mark,) = cache.iterdir()
    assert mark.name.startswith("codec-")
    assert mark.read_bytes() == b""


def test_a_wrong_answer_is_told_in_one_line_and_not_remembered(cache):
    compute = Asked("41")
    for _ in range(2):
        with pytest.raises(MachineError, match="codec codec") as error:
            knownanswer.require("codec", "42", compute)
        assert "\n" not in str(error.value)
        assert "choose another codec" in str(error.value)
        assert "onnxruntime" in str(error.value)
    assert compute.times == 2
    assert not cache.exists()
    assert isinstance(error.value, StegcinnError)
    assert error.value.exit_code == 1


def test_another_question_library_or_machine_is_asked_again(monkeypatch):
    compute = Asked()
    knownanswer.require("codec", "42", compute)
    knownanswer.require("other", "42", compute)
    with pytest.raises(MachineError):
        knownanswer.require("codec", "43", compute)
    assert compute.times == 3
    monkeypatch.setattr(knownanswer, "version", lambda library: "99.0")
    knownanswer.require("codec", "42", compute)
    assert compute.times == 4
    monkeypatch.setattr(knownanswer.native, "digest", lambda: "another library of compiled loops")
    knownanswer.require("codec", "42", compute)
    assert compute.times == 5


def test_another_processor_is_asked_again_another_name_of_the_machine_not(monkeypatch):
    compute, read = Asked(), Path.read_text

    def processor(flags: str) -> None:
        told = f"processor : 0\nmodel name : one\nflags : {flags}\n"
        patched = lambda path, **options: told if str(path) == "/proc/cpuinfo" else read(path, **options)  # noqa: E731
        monkeypatch.setattr(Path, "read_text", patched)

    processor("sse2 avx2")
    knownanswer.require("codec", "42", compute)
    monkeypatch.setattr(knownanswer.platform, "node", lambda: "another")
    knownanswer.require("codec", "42", compute)
    assert compute.times == 1
    processor("sse2")
    knownanswer.require("codec", "42", compute)
    assert compute.times == 2


@pytest.mark.parametrize("planted", ["a link", "a folder", "garbage"])
def test_what_lies_in_the_cache_is_never_read(cache, tmp_path, planted):
    """Whatever it is, the worst that follows is another self-test."""
    compute = Asked()
    knownanswer.require("codec", "42", compute)
    (mark,) = cache.iterdir()
    mark.unlink()
    match planted:
        case "a link":
            (tmp_path / "elsewhere").touch()
            mark.symlink_to(tmp_path / "elsewhere")
        case "a folder":
            mark.mkdir()
        case "garbage":
            mark.write_bytes(b"cos\nsystem\n(S'false'\ntR." * 1000)
    knownanswer.require("codec", "42", compute)
    assert compute.times == (1 if planted == "garbage" else 2)


def test_the_cache_is_its_users_alone(cache):
    old = os.umask(0)
    try:
        knownanswer.require("codec", "42", Asked())
    finally:
        os.umask(old)
    (mark,) = cache.iterdir()
    assert (cache.stat().st_mode & 0o777, mark.stat().st_mode & 0o777) == (0o700, 0o600)


def test_other_inner_loops_are_asked_again(monkeypatch):
    compute = Asked()
    knownanswer.require("codec", "42", compute)
    monkeypatch.setattr(knownanswer.native, "digest", lambda: "compiled anew")
    knownanswer.require("codec", "42", compute)
    assert compute.times == 2


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    for method in ("mkdir", "touch"):
        compute = Asked()
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, fail)
            for _ in range(2):
                knownanswer.require("codec", "42", compute)
        assert compute.times == 2


@pytest.mark.parametrize("kind", ["a file", "in a file", "nowhere to be made"])
def test_a_cache_that_is_no_folder_is_no_error(tmp_path, monkeypatch, kind):
    (tmp_path / "file").touch()
    place = {"a file": "file", "in a file": "file/deeper", "nowhere to be made": "/proc/nothing"}[kind]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
    compute = Asked()
    for _ in range(2):
        knownanswer.require("codec", "42", compute)
    assert compute.times == 2


def test_a_cache_that_cannot_be_looked_into_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("x" * 300)))  # stands for a folder without permission, too
    compute = Asked()
    knownanswer.require("codec", "42", compute)
    assert compute.times == 1


def test_a_user_without_a_home_is_no_error(monkeypatch):
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", nowhere)
    compute = Asked()
    knownanswer.require("codec", "42", compute)
    assert compute.times == 1


def test_the_cache_is_in_the_users_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "someone"))
    knownanswer.require("codec", "42", Asked())
    assert len(list((tmp_path / "someone" / ".cache" / "stegcinn").iterdir())) == 1


# -- the released networks


def copy(tmp_path: Path) -> Path:
    """The release in a folder where it can be changed."""
    folder = tmp_path / "copy"
    shutil.copytree(str(release("exact-1").folder), folder)
    return folder


def codec(folder: Path) -> ExactCodec:
    """The codec over a changed release, whose digests are made right."""
    config = json.loads((folder / "config.json").read_text())
    config["sha256"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in config["sha256"]}
    (folder / "config.json").write_text(json.dumps(config))
    return ExactCodec(ColourModel(Release(folder)))


def test_the_release_holds_what_this_machine_computes(tmp_path, cache):
    released = ExactCodec(ColourModel(release("exact-1")))
    expected = release("exact-1").config["known_answer"]
    assert len(expected) == 64
    assert released.known_answer() == released.known_answer() == expected
    codec(copy(tmp_path)).ready()
    assert [mark.name[:6] for mark in cache.iterdir()] == ["exact-"]


@pytest.mark.parametrize("file", [f"level{group}-phase{phase}" for group in range(3) for phase in range(3)])
def test_a_changed_weight_is_noticed(tmp_path, file):
    folder = copy(tmp_path)
    model = onnx.load(folder / f"{file}.onnx")
    weight = next(t for t in model.graph.initializer if t.name == "weight3")
    values = numpy_helper.to_array(weight).copy()
    values.flat[np.abs(values).argmax()] += 9
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, folder / f"{file}.onnx")
    with pytest.raises(MachineError):
        codec(folder).ready()


@pytest.mark.parametrize("file", ["logistic.npy", "root.npy"])
def test_a_changed_table_is_noticed(tmp_path, file):
    folder = copy(tmp_path)
    table = np.load(folder / file)
    if file == "root.npy":
        table[:, 3:6] += 8  # means of red
    else:
        table[..., 6100:6200] -= 5  # still a distribution
    np.save(folder / file, table)
    with pytest.raises(MachineError):
        codec(folder).ready()
