"""Networks of one's own in the place of those that ship."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from command import SECRET, Run, one_error
from PIL import Image

from fakes import RELEASED
from photos import crop

pytestmark = [
    pytest.mark.usefixtures("workplace"),
    pytest.mark.skipif(not RELEASED, reason="the weights are not there"),
]


@pytest.fixture
def weights() -> Path:
    """A release of cinn that nothing new is hidden with."""
    shutil.copytree(str(files("stegcinn") / "weights" / "cinn-1"), "mine")
    return Path("mine")


@pytest.fixture
def photo() -> Path:
    Image.fromarray(crop("chelsea", 128, 128, 60, 100)).save("photo.png")
    return Path("photo.png")


def test_what_was_hidden_with_weights_is_read_with_them_alone(
    weights: Path, photo: Path, secret: Path, run: Run
) -> None:
    outcome = run("hide", photo, secret, "-o", "o.png", "--weights", weights, "--json")
    assert json.loads(outcome.out)["codec"] == "cinn"
    note = "only `stegcinn reveal --weights mine` reads this, with the very same networks"
    assert f"stegcinn: note: {note}" in outcome.notes
    assert run("reveal", "o.png", "-o", "-", "--weights", weights).out == SECRET
    assert run("reveal", "o.png", "-o", "-").code == 4


@pytest.mark.parametrize(("release", "codec"), [("noise-1", "stealth"), ("exact-1", "exact")])
def test_each_network_is_for_its_codec(photo: Path, run: Run, release: str, codec: str) -> None:
    shutil.copytree(str(files("stegcinn") / "weights" / release), "own")
    outcome = run("hide", photo, "-m", "x", "-o", "o.png", "--weights", "own", "--json")
    assert json.loads(outcome.out)["codec"] == codec
    assert run("reveal", "o.png", "--weights", "own").out == b"x"


def test_folders_that_hold_no_release(weights: Path, photo: Path, run: Run) -> None:
    Path("run").mkdir()
    argv = ("hide", photo, "-m", "x", "-o", "o.png", "--weights")
    one_error(run(*argv, "run"), 2, "run holds no release of networks; `stegcinn export`")
    assert run(*argv, "nowhere").code == 2
    one_error(run(*argv, weights, "--codec", "exact"), 2, "codec exact has no use for these weights; cinn has")
    (weights / "config.json").write_text(json.dumps({"vgg_width": 16, "sha256": {}}))
    one_error(run(*argv, weights), 2, "mine holds networks that no codec hides with")
