"""The commands train and export, over training that only takes note of what it is asked for."""

from __future__ import annotations

import importlib
import json
import re
import sys
import time
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import Outcome, Run
from PIL import Image

from stegcinn.cli import main, status
from stegcinn.cli.arguments import BASELINES

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Training that only takes note of what it is asked for."""
    import stegcinn.training.cinn
    from stegcinn.training.cinn import config

    fake = types.SimpleNamespace(calls=[], error=None, seconds=0.0, folders=[(Path("old"), 1.0)])

    def train(
        *arguments: object, report: Callable[[object], None], announce: Callable[[str], None], **options: object
    ) -> None:
        announce("3 photos")
        for step, saved in ((1, False), (2, True)):
            report(
                types.SimpleNamespace(
                    step=step, steps=4, round=step - 1, loss=1.5, accuracy=0.9 if step > 1 else None,
                    images_per_second=12.34, seconds_left=3700.2, saved=saved,
                )
            )  # fmt: skip
            time.sleep(fake.seconds)
        if fake.error:
            raise fake.error
        fake.calls.append((*arguments, options))

    def export(*arguments: object, **options: object) -> dict[str, object]:
        fake.calls.append((*arguments, options))
        return {"noise": 2.0}

    loop = types.SimpleNamespace(train=train, resume_config=lambda out: (config.preset("paper"), fake.folders))
    release = types.SimpleNamespace(export=export)
    for name, module in (("loop", loop), ("release", release)):
        monkeypatch.setattr(stegcinn.training.cinn, name, module, raising=False)
        monkeypatch.setitem(sys.modules, f"stegcinn.training.cinn.{name}", module)
    return fake


PROGRESS = (
    "stegcinn: 3 photos\nstegcinn: 50% round 1, step 2/4: loss 1.5000, accuracy 0.9000, 12.3 images/s, 1:01:40 left\n"
)


def test_train(run: Run, training: types.SimpleNamespace) -> None:
    from stegcinn.training.cinn.config import preset

    for folder in ("a", "b", "c=2"):
        Path(folder).mkdir()
    assert run("train", "a", "b=0.25", "c=2", "-o", "out", "--set", "seed=7", "--device", "cpu") == Outcome(
        0, b"", PROGRESS
    )
    folders = [(Path("a"), 1.0), (Path("b"), 0.25), (Path("c=2"), 1.0)]
    settings = replace(preset("default"), seed=7)
    assert training.calls == [(settings, folders, Path("out"), {"start": None, "device": "cpu"})]


def test_train_with_a_preset_a_file_and_resumed(run: Run, training: types.SimpleNamespace) -> None:
    from stegcinn.training.cinn.config import load, preset

    Path("mine.toml").write_text("seed = 3\n[network]\nkind = 'pyramid'\n")
    assert run("train", ".", "-o", "out", "--preset", "paper").code == 0
    assert run("train", ".", "-o", "out", "--config", "mine.toml", "--start", "w.safetensors").code == 0
    assert run("train", "-o", "out", "--resume").code == 0
    here = [(Path(), 1.0)]
    assert [call[:3] for call in training.calls] == [
        (preset("paper"), here, Path("out")),
        (load(Path("mine.toml")), here, Path("out")),
        (preset("paper"), training.folders, Path("out")),
    ]
    assert [call[3]["start"] for call in training.calls] == [None, Path("w.safetensors"), None]


def test_train_and_export_a_baseline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from stegcinn.evaluation.baselines import presets
    from stegcinn.evaluation.baselines.training import HiderConfig

    assert set(BASELINES) == set(presets.PRESETS)
    tiny = presets.HiderPreset("hidden", 2, (presets.Stage("0.0018", HiderConfig(1, 2, 1e-3, crop=16)),))
    monkeypatch.setitem(presets.PRESETS, "hidden", tiny)
    Path("photos").mkdir()
    for index in range(2):
        Image.new("RGB", (128, 130), (index, 80, 200)).save(f"photos/{index}.png")
    outcome = run("train", "photos", "--preset", "hidden", "-o", "out")
    assert (outcome.code, outcome.err) == (
        0, "stegcinn: next: stegcinn export out PHOTOS -o RELEASE, where PHOTOS are for the figures\n",
    )  # fmt: skip
    assert run("train", "--resume", "-o", "out").code == 0  # there is nothing left to do
    assert run("export", "out", "photos", "-o", "hidden-9") == Outcome(0, b"", "stegcinn: exported out to hidden-9\n")
    assert {path.name for path in Path("hidden-9").iterdir()} == {"config.json", "README.md", "0.0018.safetensors"}
    assert json.loads(run("export", "out", "-o", "another", "--json").out)["width"] == 2


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ("train -o out", "folder"),
        ("train . -o out --preset fast", "unknown preset"),
        ("train . -o out --preset paper --config x.toml", "either"),
        ("train . -o out --config missing.toml", "missing.toml"),
        ("train . -o out --resume", "--resume"),
        ("train -o out --resume --set seed=1", "--resume"),
        ("train . -o out --set sed=1", "unknown key sed"),
        ("train . -o done", "--resume"),
        ("train . -o done --preset udh", "--resume"),
        ("train -o out --preset hidden", "folder"),
        ("train . -o out --preset ddh --set seed=1", "--set"),
        ("train .=2 -o out --preset ddh", "=WEIGHT"),
        ("train . -o run --resume", "name nothing else"),
        ("train -o run --resume --device cpu", "--device"),
        ("export run -o out --noise 2", "--noise"),
    ],
)
def test_training_that_makes_no_sense(run: Run, training: types.SimpleNamespace, argv: str, word: str) -> None:
    Path("done").mkdir()
    Path("done/checkpoint.safetensors").touch()
    Path("run").mkdir()
    Path("run/hider.json").touch()
    outcome = run(*argv.split())
    assert outcome.code == 2
    assert word in outcome.err
    assert outcome.err.count("\n") == 1
    assert training.calls == []


@pytest.mark.parametrize(("error", "code"), [(FloatingPointError("loss is nan"), 1), (KeyboardInterrupt(), 130)])
def test_training_that_fails(run: Run, training: types.SimpleNamespace, error: BaseException, code: int) -> None:
    training.error = error
    message = f"stegcinn: {error if error.args else 'interrupted'}\n"
    assert run("train", ".", "-o", "out") == Outcome(code, b"", PROGRESS + message)


def test_progress_of_training_on_a_terminal(
    training: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(status, "EVERY", 0.001)
    training.seconds = 0.2
    monkeypatch.setenv("COLUMNS", "200")
    assert main.main(["train", ".", "-o", "out"]) == 0
    err = capsys.readouterr().err
    shown = [text.strip() for text in re.split("[\r\n]", err) if text.strip()]
    assert shown[0] == "loading PyTorch"
    assert "25% stage 1, step 1/4: loss 1.5000, 12.3 images/s, 1:01:40 left" in shown
    assert "".join(f"{text}\n" for text in shown if text.startswith("stegcinn: ")) == PROGRESS
    assert err.endswith("\r")


def test_export(run: Run, training: types.SimpleNamespace) -> None:
    next_ = "stegcinn: next, to try it: stegcinn hide photo.jpg -m hello -o out.png --weights 'my new'\n"
    assert run("export", "run", "-o", "my new") == Outcome(0, b"", f"stegcinn: exported run to my new\n{next_}")
    assert run("export", "run", ".", "-o", "new", "--noise", "2.5", "--json") == Outcome(0, b'{"noise": 2.0}\n', "")
    assert training.calls == [
        (Path("run"), Path("my new"), {"folders": None, "noise": None}),
        (Path("run"), Path("new"), {"folders": [(Path(), 1.0)], "noise": 2.5}),
    ]


@pytest.mark.parametrize("network", ["colourmodel", "noise"])
def test_export_of_other_networks(
    run: Run, training: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    """Told by what is in the folder; only a pyramid is run at a noise."""
    asked = []
    release = importlib.import_module(f"stegcinn.training.{network}.release")
    monkeypatch.setattr(release, "release", lambda *arguments: asked.append(arguments) or {"photos": 3})
    Path("colours").mkdir()
    (Path("colours") / importlib.import_module(f"stegcinn.training.{network}.train").CHECKPOINT).touch()
    assert run("export", "colours", ".", "-o", "new", "--json") == Outcome(0, b'{"photos": 3}\n', "")
    assert asked == [(Path("colours"), Path("new"), [Path()])]
    outcome = run("export", "colours", "-o", "new", "--noise", "2")
    assert outcome == Outcome(2, b"", "stegcinn: --noise is for runs of a pyramid; this is one of other networks\n")
    assert len(asked) == 1
    assert training.calls == []


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [(None, 0, ""), (ValueError("no colour photo"), 1, "stegcinn: no colour photo\n"),
     (KeyboardInterrupt(), 130, "stegcinn: interrupted\n")],
)  # fmt: skip
@pytest.mark.parametrize("network", ["colours", "noise"])
def test_train_other_networks(
    run: Run, monkeypatch: pytest.MonkeyPatch, network: str, error: BaseException | None, code: int, line: str
) -> None:
    from stegcinn.training.colourmodel import train as colours
    from stegcinn.training.noise import train as noise

    asked = []

    def fake(
        *arguments: object, report: Callable[[str], None], working: Callable[[str], None], **options: object
    ) -> None:
        working("step 99")
        report("100 steps")
        if error:
            raise error
        asked.append((*arguments, options))

    monkeypatch.setattr(colours, "train", fake)
    monkeypatch.setattr(noise, "train", fake)
    Path("a").mkdir()
    config, options, rest = {
        "colours": (colours.ColoursConfig(5.0, 2), ("--minutes", "5", "--stop-after", "1.5"), {"stop_after": 1.5}),
        "noise": (noise.NoiseConfig(60, 2), ("--steps", "60"), {}),
    }[network]
    assert run("train", network, "a", ".", "-o", "out", "--batch", "2", *options) == Outcome(
        code, b"", f"stegcinn: 100 steps\n{line}"
    )
    assert asked == ([] if error else [([Path("a"), Path()], Path("out"), config, rest)])
