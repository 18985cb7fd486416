"""The demonstration, over a codec that takes no time and, where its weights are there, over the released one."""

from __future__ import annotations

import dataclasses
import math
import shutil
import subprocess
from importlib.metadata import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import RELEASED, load_fake, pixels
from stegcinn import candidates, stego
from stegcinn.carriers.compare import amplified, psnr
from stegcinn.cli import demo, main
from stegcinn.errors import UsageError
from stegcinn.sealing.envelope import Payload

pytest.importorskip("skimage")


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "load_codec", load_fake)
    monkeypatch.setattr("skimage.data.astronaut", pixels)
    monkeypatch.setattr(demo, "readme", lambda: "# a readme\n" * 10)


@pytest.mark.usefixtures("_quick")
def test_result_is_measured_on_the_saved_files(tmp_path: Path) -> None:
    result = demo.run(tmp_path / "new" / "out", lambda share: None)
    with Image.open(result.container) as image:
        container = np.asarray(image)
    with Image.open(result.comparison) as image:
        host, middle, difference = np.split(np.asarray(image), 3, axis=1)
    assert np.array_equal(host, pixels())
    assert np.array_equal(middle, container)
    change = container.astype(int) - host
    assert result.amplified == 127 // np.abs(change).max() > 8  # the codec of the test changes little
    assert np.array_equal(difference, 128 + result.amplified * change)
    assert min(difference.min(), 255 - difference.max()) < 40  # the full range, or nearly
    assert result.psnr == pytest.approx(10 * math.log10(255**2 / np.mean(change**2)))
    assert result.identical
    assert (result.payload_bytes, result.bpp) == (110, 8 * 110 / host[..., 0].size)
    assert (result.raw_accuracy, result.same_gray) == (1.0, 1.0)
    assert min(result.hide_seconds, result.reveal_seconds) > 0
    assert {path.name for path in (tmp_path / "new" / "out").iterdir()} == {
        "stegcinn-container.png", "stegcinn-comparison.png",
    }  # fmt: skip


@pytest.mark.usefixtures("_quick")
def test_command_prints_a_table_and_can_be_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main.main(["demo", "--out", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert err.startswith("stegcinn: hiding this project's README in a photo of 96x96 pixels")
        assert str(tmp_path) in err
        table = dict(line.split("  ", 1) for line in out.splitlines())
        assert table["payload"].strip() == "README.md, 110 bytes"
        assert table["same gray-scale"].strip() == "100.000% of pixels"
        assert table["revealed"].strip() == "identical"


@pytest.mark.usefixtures("_quick")
def test_a_difference_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stego, "uncover", lambda source, **options: Payload(b"something else"))
    assert main.main(["demo", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "NOT IDENTICAL" in out
    assert err.endswith("stegcinn: the revealed file differs from the hidden one; please report this\n")


@pytest.mark.usefixtures("_quick")
def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made a folder"):
        demo.run(tmp_path / "file", lambda share: None)


@pytest.mark.usefixtures("_quick")
def test_gray_scales_are_compared_not_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = stego.conceal

    def conceal(source, payload, **options):  # type: ignore[no-untyped-def]
        container = honest(source, payload, **options)
        rgb = np.array(container.image)
        rgb[0, 0] = 255
        return dataclasses.replace(container, file=demo._png(rgb))

    monkeypatch.setattr(stego, "conceal", conceal)
    monkeypatch.setattr(stego, "uncover", lambda source, **options: Payload(b""))
    result = demo.run(tmp_path, lambda share: None)
    assert result.same_gray == 1 - 1 / pixels()[..., 0].size
    assert not result.identical


def test_readme_of_a_source_tree_and_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(demo.__file__).parents[3] / "README.md"
    if source.exists():
        assert demo.readme() == source.read_text(encoding="utf-8")
    monkeypatch.setattr(demo, "__file__", str(tmp_path / "site-packages" / "stegcinn" / "cli" / "demo.py"))
    assert demo.readme().startswith("# stegcinn")
    assert demo.readme() == metadata("stegcinn").json["description"]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_tells_what_it_installs(tmp_path: Path) -> None:
    root = Path(demo.__file__).parents[3]
    if not (root / "Makefile").exists():
        pytest.skip("not a source tree")
    command = ["make", "--dry-run", "--no-print-directory", "demo", f"VENV={tmp_path}"]
    lines = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == f'echo "installing stegcinn[demo] into {tmp_path}: 440 MB, in about half a minute"'


def test_psnr() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr(black, black) == math.inf
    assert psnr(black, black + np.uint8(255)) == 0


def test_amplified_differences_are_clipped() -> None:
    host, container = np.array([100, 100, 100, 100], np.uint8), np.array([100, 103, 0, 200], np.uint8)
    assert amplified(host, container, 8).tolist() == [128, 152, 0, 255]


@pytest.mark.skipif(not RELEASED, reason="the weights are not there")
def test_the_real_thing(tmp_path: Path) -> None:
    result = demo.run(tmp_path, lambda share: None)
    assert result.identical
    assert result.same_gray == 1.0
    assert result.raw_accuracy > 0.9
