"""The program in a process of its own: signals, streams that are closed or full, and what is imported."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import FAKE, SECRET, Outcome, finish, names, spawn
from PIL import Image

import stegcinn.__main__ as program
from fakes import RELEASED
from stegcinn.codecs import CODECS

pytestmark = pytest.mark.usefixtures("workplace")


def test_ctrl_c_ends_the_program_at_once_but_lets_a_write_end_in_order(
    container: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = []

    def write(*_: object, **__: object) -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    monkeypatch.setattr("stegcinn.files.write_atomic", write)
    monkeypatch.setattr(sys, "argv", ["stegcinn", "reveal", str(container), "-o", "r"])
    before = signal.getsignal(signal.SIGINT)
    try:
        assert program.run() == 0
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
    assert handlers == [signal.default_int_handler]


def test_ctrl_c_leaves_nothing_behind(host: Path, secret: Path) -> None:
    script = f"""{FAKE}
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fakes.LsbCodec.seconds = 60
    print("ready", flush=True)
    sys.exit(main())
    """
    process = spawn(script, "hide", host, secret, "-o", "o.png")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert finish(process) == Outcome(130, b"", "stegcinn: interrupted\n")
    assert names() == {"host.png", "secret.bin"}


def test_the_module_itself_imports_only_the_standard_library() -> None:
    script = """
        import stegcinn, sys
        before = set(sys.modules)
        import stegcinn.cli
        print({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
    """
    assert finish(spawn(script)).out.strip() == b"{'stegcinn'}"


def test_hide_and_reveal_do_without_torch(host: Path, secret: Path) -> None:
    script = f"""{FAKE}
    sys.modules["torch"] = None
    assert main(["hide", "host.png", "secret.bin", "-o", "o.png"]) == 0
    sys.exit(main(["reveal", "o.png", "-o", "r"]))
    """
    assert finish(spawn(script)).code == 0
    assert Path("r").read_bytes() == SECRET


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "argv", "extra"),
    [
        ("torch", "train . -o run", "train"),
        ("skimage", "demo", "demo"),
        ("uvicorn", "serve --no-browser", "web"),
        ("joblib", "benchmark . -o run", "eval"),
        ("torch", "benchmark . -o run", "eval"),
    ],
)
def test_missing_extras(module: str, argv: str, extra: str) -> None:
    script = f"{FAKE}    sys.modules[{module!r}] = None\n    sys.exit(main())"
    line = f"stegcinn: this command needs {module}: pip install 'stegcinn[{extra}]'\n"
    assert finish(spawn(script, *argv.split())) == Outcome(2, b"", line)
    assert names() == set()


# streams


def test_a_reader_that_leaves_is_no_news(container: Path) -> None:
    process = spawn(f"{FAKE}    sys.exit(main())", "reveal", container, "-o", "-")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert finish(process) == Outcome(1, b"", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_takes_nothing(container: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        outcome = finish(spawn(f"{FAKE}    sys.exit(main())", "reveal", container, "-o", "-", stdout=full))
    assert outcome.code == 1
    assert outcome.err == "stegcinn: input/output error: [Errno 28] No space left on device\n"


def test_a_closed_standard_output_is_told(host: Path, container: Path) -> None:
    script = f"{FAKE}    sys.stdout = None\n    sys.exit(main())"
    line = "stegcinn: standard output is closed; name a file with -o\n"
    for argv in (("reveal", container, "-o", "-"), ("hide", host, "-m", "x", "-o", "-")):
        assert finish(spawn(script, *argv)) == Outcome(2, b"", line)


def test_trouble_with_a_file_where_standard_output_is_closed(host: Path, secret: Path) -> None:
    script = f"""{FAKE}    import stegcinn.files
    def fail(*_, **__): raise OSError(28, "No space left on device")
    stegcinn.files.write_atomic = fail
    sys.stdout = None
    sys.exit(main())"""
    outcome = finish(spawn(script, "hide", host, secret, "-o", "o.png"))
    assert outcome == Outcome(1, b"", "stegcinn: input/output error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_closed_streams(container: Path, closed: str) -> None:
    script = f"{FAKE}    sys.{closed} = None\n    sys.exit(main())"
    outcome = finish(spawn(script, "reveal", "-" if closed == "stdin" else container, "-o", "r"))
    if closed == "stdin":
        assert outcome == Outcome(2, b"", "stegcinn: standard input cannot be read\n")
    else:
        assert (outcome.code, outcome.out, Path("r").read_bytes()) == (0, b"", SECRET)


# the released codecs


@pytest.mark.slow
@pytest.mark.skipif(not RELEASED, reason="the weights are not there")
@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "jpeg"])  # test_hide_jpeg.py has that
def test_the_real_thing(secret: Path, codec: str) -> None:
    noise = np.random.default_rng(0).normal(size=(8, 8, 3))
    size = (1024, 768) if codec == "robust" else (256, 192)
    smooth = np.stack(
        [np.asarray(Image.fromarray(c.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
         for c in np.moveaxis(noise, 2, 0)], axis=-1,
    )  # fmt: skip
    Image.fromarray(np.clip(128 + 40 * smooth, 0, 255).astype(np.uint8)).save("photo.png")
    Path("p").write_text("a password\n")
    script = "import sys\nsys.modules['torch'] = None\nfrom stegcinn.cli.main import main\nsys.exit(main())"
    options = () if codec == "stealth" else ("--codec", codec)
    hidden = finish(
        spawn(script, "hide", "photo.png", secret, "-o", "o.png", "--password-file", "p", "--json", *options)
    )
    assert hidden.code == 0, hidden.err
    assert json.loads(hidden.out)["codec"] == codec
    with Image.open("photo.png") as host, Image.open("o.png") as container:
        assert host.convert("L").tobytes() == container.convert("L").tobytes()
    revealed = finish(spawn(script, "reveal", "o.png", "-o", "r", "--password-file", "p"))
    assert revealed.code == 0, revealed.err
    assert Path("r").read_bytes() == SECRET
    assert finish(spawn(script, "reveal", "o.png", "-o", "-")).code == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_write_ends_in_order_when_the_process_is_asked_to_end(container: Path, number: int) -> None:
    script = f"""{FAKE}
    import os, signal
    signal.signal({int(number)}, signal.SIG_DFL)  # whatever started the tests may ignore it
    def slow(*_):
        print("writing", flush=True)
        time.sleep(60)
    os.fsync = slow
    if hasattr(os, "O_TMPFILE"):
        del os.O_TMPFILE  # so that there is something to leave behind
    sys.exit(main())
    """
    process = spawn(script, "reveal", container, "-o", "r")
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(number)
    assert finish(process) == Outcome(128 + number, b"", "stegcinn: asked to end\n")
    assert "r" not in names()
    assert not [name for name in names() if name.endswith(".tmp")]


def test_a_payload_is_its_owners_alone(container: Path) -> None:
    assert finish(spawn(f"{FAKE}    sys.exit(main())", "reveal", container, "-o", "r")).code == 0
    assert Path("r").stat().st_mode & 0o777 == 0o600
