"""What survives which channel: methods, the table from end to end, how it goes on, what is left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jpegs import picture, saved
from stegcinn.codecs import CODECS
from stegcinn.errors import StegcinnError, UsageError
from stegcinn.evaluation.baselines import dwtdct, lsb
from stegcinn.evaluation.benchmark.survival import run, work
from stegcinn.evaluation.benchmark.survival.methods import Method
from stegcinn.evaluation.benchmark.survival.plans import PLANS, ChannelPlan
from stegcinn.evaluation.benchmark.survival.tables import wilson
from stegcinn.evaluation.channels.channel import Channel, decoded
from stegcinn.evaluation.channels.encoders import Png

PLAN = ChannelPlan("small", None, ("jpeg@2000B", "lsb@2000B"), ("as-sent", "jpeg-q75", "crop-1"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for index, name in enumerate(("a.png", "more/b.png")):
        Image.fromarray(picture(128, 96, index)).save(folder / name)
    return folder


# -- methods


@pytest.mark.parametrize("text", ["jpeg@256B", "exact@400bytes", "lsb@0.5B", "jpeg@64B:format=jpg", "dwtdct@4bytes"])
def test_names_of_methods(text: str) -> None:
    assert str(Method.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("jpeg", "no method 'jpeg'; write NAME@256B (per megapixel) or NAME@400bytes, of jpeg,"),
        ("jpg@256B", "no method"),
        ("jpeg@256", "no method"),
        ("jpeg@0B", "no method"),
        ("jpeg@256B:colour=keep", "jpeg has no option 'colour'; write :NAME=VALUE, of colors,"),
        ("jpeg@256B:password=x", "no option 'password'"),
        ("jpeg@256B:colors", "no option 'colors'"),
        ("lsb@256B:colors=keep", "lsb has no option 'colors'; write :NAME=VALUE, of none"),
    ],
)
def test_what_is_no_method(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        Method.parse(text)
    assert reason in str(error.value)


def test_loads() -> None:
    assert Method.parse("jpeg@256B").size(2_000_000) == 512
    assert Method.parse("jpeg@256B").size(1_000) == 1
    assert Method.parse("jpeg@400bytes").size(2_000_000) == 400


def test_options_reach_the_codec() -> None:
    host = Png()(picture(128, 96))
    with pytest.raises(UsageError, match=r"use \.jpg"):
        Method.parse("jpeg@64B:format=png").hide(host, b"x")


def test_plain_bits() -> None:
    rgb = picture(16, 16)
    marked = lsb.replace_bits(rgb, b"payload")
    assert lsb.read_bits(marked, 7) == b"payload"
    assert np.abs(marked.astype(int) - rgb).max() == 1
    assert np.array_equal(marked.reshape(-1)[56:], rgb.reshape(-1)[56:])
    with pytest.raises(StegcinnError, match="does not fit"):
        lsb.replace_bits(rgb, bytes(97))


def test_a_watermark_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dwtdct, "find_spec", lambda name: None if name in ("imwatermark", "cv2") else object())
    missing = Method.parse("dwtdct@4bytes").missing
    assert missing is not None
    assert missing.startswith("no imwatermark, cv2: pip install")


@pytest.mark.slow
def test_the_watermark() -> None:
    if missing := dwtdct.missing():
        pytest.skip(missing)
    data = pytest.importorskip("skimage.data")
    rgb = data.astronaut()
    marked = dwtdct.embed(rgb, b"mark")
    assert 0 < np.abs(marked.astype(int) - rgb).mean() < 8
    assert dwtdct.extract(marked, 4) == b"mark"
    with pytest.raises(StegcinnError, match="does not fit"):
        dwtdct.embed(rgb[:200, :200], b"mark")
    assert dwtdct.extract(marked[:200, :200], 4) == b""


# -- likeness


def test_what_a_container_is_compared_with() -> None:
    """With what the sender would have sent without a payload, not with a photo that was never compressed."""
    rgb = picture(128, 96)
    host = Png()(rgb)
    made = saved(rgb, quality=80, subsampling="4:2:0")
    assert work.error_of(host, made) == 0
    assert work.error_of(host, saved(rgb, quality=80, subsampling="4:4:4")) == 0
    assert work.error_of(made, made) == 0
    assert work.error_of(host, host) == 0
    small = np.asarray(Image.fromarray(rgb).resize((64, 48), Image.Resampling.LANCZOS))
    assert work.error_of(host, saved(small, quality=70)) == 0
    changed = rgb.copy()
    changed[0, 0, 0] ^= 2
    assert work.error_of(host, Png()(changed)) == pytest.approx(4 / rgb.size)


# -- from photos to tables


def test_from_photos_to_tables_and_on_again(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, lines = tmp_path / "out", []
    content = run.run(photos, out, PLAN, report=lines.append)
    assert lines[0] == "12 sendings left, of 4 containers"
    assert len(lines) == 5
    assert json.loads((out / "results.json").read_text()) == content
    assert content["arrivals"]["jpeg@2000B"]["more/b.png"] == {
        "as-sent": "same", "jpeg-q75-420": "lost", "crop-1": "lost",
    }  # fmt: skip
    assert content["arrivals"]["lsb@2000B"]["a.png"] == {"as-sent": "same", "jpeg-q75-420": "wrong", "crop-1": "wrong"}
    facts = content["containers"]["jpeg@2000B"]["a.png"]
    assert (facts["bytes"], facts["pixels"]) == (25, 128 * 96)
    assert facts["error"] > 0
    row = content["survival"][0]
    assert (row["method"], row["channel"], row["sent"], row["came_back"], row["share"]) == (
        "jpeg@2000B", "as-sent", 2, 2, 1.0,
    )  # fmt: skip
    text = (out / "tables.md").read_text()
    assert "| jpeg-q75-420 | 0 (0 to 66) | 0 (0 to 66) |" in text
    assert "| as-sent | 100 (34 to 100) | 100 (34 to 100) |" in text
    assert "| lsb@2000B | 25 | 2,035 | " in text

    def never(*arguments: object, **options: object) -> Any:
        raise AssertionError("this was done before")

    with monkeypatch.context() as patch:
        patch.setattr(run, "run_job", never)
        assert run.run(photos, out, PLAN) == content
    monkeypatch.setattr(Method, "hide", never)  # the containers are there
    more = run.run(photos, out, replace(PLAN, channels=("mirror", "jpeg-q75")), report=lines.append)
    assert "4 sendings left, of 4 containers" in lines
    assert more["channels"] == ["as-sent", "jpeg-q75-420", "crop-1", "mirror"]
    assert set(more["arrivals"]["lsb@2000B"]["a.png"]) == set(more["channels"])
    with pytest.raises(UsageError, match="of another draw"):
        run.run(photos, out, replace(PLAN, seed=1))
    (photos / "a.png").unlink()
    with pytest.raises(UsageError, match="of other photos"):
        run.run(photos, out, PLAN)


def test_killed_between_a_container_and_its_record(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = work.Job("jpeg@2000B", "a.png", ("as-sent",))
    first = work.run_job(job, photos, tmp_path, 0)
    (kept,) = (tmp_path / "containers").iterdir()
    file = kept.read_bytes()
    assert work.run_job(job, photos, tmp_path, 0) == first
    assert kept.read_bytes() == file  # another one would have other bytes: hiding draws a salt


def test_what_is_missing_is_told_and_left_out(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dwtdct, "find_spec", lambda name: None)
    monkeypatch.setattr("stegcinn.evaluation.channels.browser.PROGRAMS", ())
    plan = ChannelPlan("small", 1, ("lsb@2000B", "dwtdct@1bytes"), ("as-sent", "canvas-q75"))
    lines: list[str] = []
    content = run.run(photos, tmp_path / "out", plan, report=lines.append)
    assert lines[0].startswith("left out: dwtdct@1bytes: no imwatermark")
    assert lines[1] == "left out: canvas-q75: no browser is installed: apt-get install chromium"
    assert content["channels"] == ["as-sent"]
    assert list(content["arrivals"]) == ["lsb@2000B"]
    assert len(content["arrivals"]["lsb@2000B"]) == 1  # photo, of two
    assert "- canvas-q75: no browser is installed" in (tmp_path / "out" / "tables.md").read_text()


def test_photos_that_take_nothing(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").write_bytes(b"no photo")
    plan = replace(PLAN, methods=("jpeg@900000B", "lsb@100bytes"), channels=("as-sent",))
    content = run.run(photos, tmp_path / "out", plan)
    refused = content["containers"]["jpeg@900000B"]
    assert "does not fit" in refused["a.png"]["refused"]
    assert "not a photo" in refused["broken.png"]["refused"]
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "| jpeg@900000B | - | - | - | 0 | 3 | - |" in text
    assert "| as-sent | - | 100 (34 to 100) |" in text  # of two containers
    assert run.run(photos, tmp_path / "out", plan) == content


def test_an_encoder_that_fails_is_neither_lost_nor_kept(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(channel: Channel, file: bytes) -> bytes:
        raise StegcinnError("convert failed: out of space")

    monkeypatch.setattr(Channel, "send", fails)
    content = run.run(photos, tmp_path / "out", replace(PLAN, channels=("jpeg-q75",)))
    assert content["arrivals"]["jpeg@2000B"]["a.png"] == {"jpeg-q75-420": "not sent: convert failed: out of space"}
    assert content["survival"] == []


def test_a_wrong_payload_is_counted(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Method, "reveal", lambda method, file, size: b"something else")
    content = run.run(photos, tmp_path / "out", replace(PLAN, channels=("as-sent", "png")))
    assert content["survival"][0]["wrong"] == 2
    text = (tmp_path / "out" / "tables.md").read_text()
    assert [line.split(" | ")[-1] for line in text.splitlines() if line.startswith(("| jpeg@", "| lsb@"))] == [
        "4 |", "- |",
    ]  # fmt: skip


def test_what_a_codec_does_not_know_is_lost() -> None:
    file = Png()(picture(96, 96))
    assert Method.parse("jpeg@64B").reveal(file, 6) is None  # no JPEG
    assert Method.parse("jpeg@64B").reveal(saved(picture(96, 96)), 6) is None  # nothing in it
    assert Method.parse("lsb@64B").reveal(b"no picture", 6) is None
    assert decoded(file).shape == (96, 96, 3)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(StegcinnError, match="holds no photo"):
        run.run(tmp_path / "photos", tmp_path / "out", PLAN)


def test_wilson() -> None:
    """Against the values of Newcombe 1998, table I, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)
    assert wilson(20, 20) == pytest.approx((0.8389, 1.0), abs=1e-4)


@pytest.mark.parametrize("name", list(PLANS))
def test_all_plans_can_be_run(name: str) -> None:
    plan = PLANS[name]
    channels = [str(Channel.parse(channel)) for channel in plan.channels]
    assert len(set(channels)) == len(channels)
    assert "as-sent" in channels
    kinds = {Method.parse(method).kind for method in plan.methods}
    assert {"jpeg", "exact", "lsb", "dwtdct"} <= kinds
    assert ("robust" in kinds) == ("robust" in CODECS)
