"""What people stumble over on the first day: each has words that say what to do, or simply works."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from command import FAKE, SECRET, Run, finish, one_error, spawn
from PIL import Image

import stegcinn
from fakes import LsbCodec, pixels
from stegcinn import stego
from stegcinn.carriers import base
from stegcinn.carriers.base import Source
from stegcinn.cli.main import main
from stegcinn.errors import ImageError, UsageError
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload

pytestmark = pytest.mark.usefixtures("workplace")


# names


def test_a_name_that_is_changed_is_told(host: Path, run: Run) -> None:
    Path("wh?t\u202e.txt").write_bytes(b"x")
    outcome = run("hide", host, "wh?t\u202e.txt", "-o", "o.png")
    note = r"the name 'wh?t\u202e.txt' is not safe everywhere: wht.txt is suggested instead"
    assert f"stegcinn: note: {note}" in outcome.notes
    assert (run("reveal", "o.png").code, Path("wht.txt").read_bytes()) == (0, b"x")
    assert not any("safe everywhere" in line for line in run("hide", host, "wht.txt", "-o", "p.png").notes)


def test_a_name_of_which_nothing_is_left_is_told(host: Path, run: Run) -> None:
    Path("...").write_bytes(b"x")
    outcome = run("hide", host, "...", "-o", "o.png")
    assert "stegcinn: note: the name '...' is not safe everywhere: none is suggested" in outcome.notes
    assert run("reveal", "o.png").out == b"x"


def test_a_name_that_another_program_left_unsafe_is_told(
    host: Path, secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("up").mkdir()
    secret.rename("up/x")
    with monkeypatch.context() as patch:
        patch.setattr(envelope, "safe_name", lambda name: "../" + name)
        assert run("hide", host, "up/x", "-o", "o.png").code == 0
    outcome = run("reveal", "o.png")
    assert outcome.notes == ["stegcinn: note: the name '../x' is not safe everywhere: x is suggested instead"]
    assert Path("x").read_bytes() == SECRET
    with pytest.warns(stegcinn.StegcinnWarning, match=r"'\.\./x' is not safe everywhere"):
        assert stegcinn.open_payload("o.png").name == "x"


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="needs /dev/fd")
def test_a_stream_of_the_shell_has_no_name(host: Path, secret: Path, run: Run) -> None:
    with secret.open("rb") as file:
        assert run("hide", host, f"/dev/fd/{file.fileno()}", "-o", "o.png").code == 0
    assert run("reveal", "o.png").out == SECRET  # not into a file called 7
    reader, writer = os.pipe()
    os.write(writer, SECRET)
    os.close(writer)
    assert run("hide", host, f"/dev/fd/{reader}", "-o", "p.png").code == 0
    os.close(reader)
    assert run("reveal", "p.png").out == SECRET


# what HOST may be


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("command", ["hide pipe -m x -o o.png", "capacity pipe", "reveal pipe -o r"])
def test_photos_may_come_from_a_pipe(container: Path, run: Run, command: str) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(container.read_bytes()))
    writer.start()
    try:
        assert run(*command.split()).code == 0
    finally:
        writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_without_an_end_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_FILE", 3 << 20)
    os.mkfifo("pipe")

    def pour() -> None:
        with Path("pipe").open("wb", buffering=0) as pipe:
            try:
                while True:
                    pipe.write(bytes(1 << 16))
            except BrokenPipeError:
                pass

    writer = threading.Thread(target=pour)
    writer.start()
    try:
        one_error(run("capacity", "pipe"), 5, "more than 3,145,728 bytes")
    finally:
        writer.join()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_device_is_no_photo(run: Run) -> None:
    one_error(run("capacity", "/dev/zero"), 5, "neither a file nor a pipe")


# what is said


def test_swapped_arguments_get_a_hint(host: Path, secret: Path, run: Run) -> None:
    outcome = run("hide", secret, host, "-o", "o.png")
    one_error(outcome, 5, "secret.bin is not a photo", "HOST comes first: stegcinn hide host.png secret.bin")
    Image.new("RGB", (20, 20)).save("small.png")
    for argv in (("small.png", host), (secret, secret), (secret, "-m", "x")):
        assert "comes first" not in run("hide", *argv, "-o", "o.png").err


def test_a_folder_is_to_be_packed(host: Path, run: Run) -> None:
    Path("my files").mkdir()
    outcome = run("hide", host, "my files", "-o", "o.png")
    one_error(outcome, 2, "my files is a directory", "tar c 'my files' | stegcinn hide HOST - -o OUT")


@pytest.mark.parametrize("argv", ["hide a.png b -o c.png", "capacity a.png", "reveal a.png", "rank . --payload 1"])
def test_a_current_directory_that_is_gone_is_told(
    tmp_path: Path, argv: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    before = Path.cwd()
    try:
        os.chdir(gone)
        shutil.rmtree(gone)
        assert main(argv.split()) == 2
    finally:
        os.chdir(before)
    assert capsys.readouterr() == (
        "", "stegcinn: the current directory does not exist any more; change to another one\n",
    )  # fmt: skip


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_closed_images_are_told_from_damaged_ones(suffix: str) -> None:
    path = f"photo.{suffix}"
    Image.fromarray(pixels()).save(path)
    with Image.open(path) as never_read:
        pass
    loaded = Image.open(path)
    loaded.load()
    loaded.close()
    memory = Image.fromarray(pixels())
    memory.close()
    for image in (never_read, loaded, memory):
        with pytest.raises(ImageError, match="the image is closed; open it anew"):
            stegcinn.capacity(image)
    with Path(path).open("rb") as file:
        pass
    with pytest.raises(UsageError, match="the file of the photo is closed"):
        stegcinn.capacity(file)


def test_a_terminal_that_is_not_utf8_gets_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(pixels()).save(folder / "grün.png")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    outcome = finish(spawn(f"{FAKE}    sys.exit(main())", "rank", folder, "--payload", "0"))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(b"gr\\xfcn.png\n")


# gray photos


@pytest.mark.parametrize("options", [[], ["--colors", "generate"], ["--colors", "keep"]])
def test_a_gray_photo_is_told_to_be_coloured_before_and_after(secret: Path, run: Run, options: list[str]) -> None:
    Image.fromarray(pixels()[..., 0]).save("gray.png")
    before, after = f"stegcinn: note: {stego.GRAY}", f"stegcinn: note: {stego.COLOURED}"
    unasked = [before] if not options else []
    assert [note for note in run("capacity", "gray.png", *options).notes if note == before] == unasked
    outcome = run("hide", "gray.png", secret, "-o", "o.png", *options)
    assert outcome.code == 0
    assert [line for line in outcome.notes if line in (before, after)] == ([before, after] if not options else [])
    if not options:
        assert outcome.err.index(before) < outcome.err.index("hid 512 bytes, ") < outcome.err.index(after)


def test_a_colour_photo_is_not(host: Path, secret: Path, run: Run) -> None:
    for outcome in (run("capacity", host), run("hide", host, secret, "-o", "o.png")):
        assert not any("gray" in note for note in outcome.notes)


def test_a_gray_photo_is_not_given_advice_that_does_not_help_there(
    secret: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hiding less does not help: the codec whose payloads may be safe takes nothing."""
    Image.fromarray(pixels()[..., 0]).save("gray.png")
    monkeypatch.setattr(LsbCodec, "disturbs", None)
    told = " ".join(run("hide", "gray.png", secret, "-o", "o.png").notes)
    assert "hide in a colour photo" in told
    assert "hide less" not in told
    room = stego.measure(Source("gray.png"))
    assert "hide less" not in room.judge(room.bytes).reason


def test_the_library_warns_of_it() -> None:
    gray = pixels()[..., 0]
    with pytest.warns(stegcinn.StegcinnWarning, match="gray, and hiding gives it colours"):
        stegcinn.capacity(gray)
    with pytest.warns(stegcinn.StegcinnWarning, match="was gray and has colours now"):
        stegcinn.hide(gray, b"x", password="p")


# sizes


def test_the_compressed_size_is_told(host: Path, run: Run) -> None:
    Path("long.txt").write_bytes(b"a line like all the others\n" * 100)
    outcome = run("hide", host, "long.txt", "-o", "o.png")
    stored = len(envelope.pack(Payload(Path("long.txt").read_bytes())).stored)
    assert f"stegcinn: hid 2,700 bytes, {stored} compressed, in o.png: " in outcome.err
    assert stegcinn.hide(host, Path("long.txt").read_bytes(), password="p").stored == stored
    Path("random.bin").write_bytes(os.urandom(100))
    assert "stegcinn: hid 100 bytes in p.png: " in run("hide", host, "random.bin", "-o", "p.png").err
    half = os.urandom(1500)
    Path("half.bin").write_bytes(half + half)
    needed = envelope.pack(Payload(half + half)).contents_size
    one_error(run("hide", host, "half.bin", "-o", "q.png"), 3, f"needs {needed:,} bytes (3,000 before compression)")


def test_the_halved_size_is_told(run: Run) -> None:
    Image.fromarray(pixels(side=201)).save("large.png")
    told = "large.png is halved to 100x100 pixels, "
    outcome = run("hide", "large.png", "-m", "hello", "-o", "o.png", "--exact-halve")
    assert told in outcome.err
    assert told in run("capacity", "large.png", "--exact-halve").err
    assert "halved" not in run("hide", "large.png", "-m", "hello", "-o", "p.png").err


def test_halving_is_named_where_it_is_why_a_payload_does_not_fit(run: Run) -> None:
    Image.fromarray(pixels(side=200)).save("large.png")
    for size, to_blame in ((2000, True), (9000, False)):
        Path("file.bin").write_bytes(os.urandom(size))
        outcome = run("hide", "large.png", "file.bin", "-o", "o.png", "--exact-halve")
        one_error(outcome, 3, f"needs {size:,} bytes and this halved photo takes 1,222; ")
        assert ("do not halve it (--halve)" in outcome.err) == to_blame
    Path("file.bin").write_bytes(os.urandom(5000))
    assert "halve" not in run("hide", "large.png", "file.bin", "-o", "o.png").err
