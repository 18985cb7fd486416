"""Data sets for steganalysis: the same bytes from the same seed, also after a kill, on other workers, behind a URL."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jpegs import picture, saved
from stegcinn.carriers.base import Source
from stegcinn.carriers.luma import luma_of
from stegcinn.codecs import load_codec
from stegcinn.errors import StegcinnError, UsageError
from stegcinn.evaluation import spreading
from stegcinn.evaluation.dataset import make, manifest, plan, run
from stegcinn.evaluation.dataset.draws import Draws
from stegcinn.evaluation.dataset.make import Batch, make_batch
from stegcinn.evaluation.dataset.plan import DatasetPlan, parsed, places
from stegcinn.evaluation.dataset.store import Store
from stegcinn.sealing.keys import Keys

PLAN = DatasetPlan(("hill@0.4", "jpeg@400B"), seed=7)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two PNG and two JPEG photos, one in a folder of its own."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for index, name in enumerate(("a.png", "more/b.png")):
        Image.fromarray(picture(144, 128, index)).save(folder / name)
    for index, name in enumerate(("c.jpg", "d.jpg"), start=2):
        (folder / name).write_bytes(saved(picture(144, 128, index), quality=85))
    return folder


def made(photos: Path, out: Path, plan: DatasetPlan = PLAN, **options: Any) -> list[dict[str, str]]:
    run.run(str(photos), str(out), plan, **options)
    return listed((out / "manifest.csv").read_bytes())


def listed(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- what is made


def test_covers_stegos_and_their_manifest(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rows = made(photos, out)
    assert Counter(row["method"] for row in rows) == {"cover": 8, "hill": 4, "jpeg": 4}
    assert set(files(out)) == {
        "dataset.json", "manifest.csv", "errors.csv", "rows/0000/0000000-0000003.json", *(row["file"] for row in rows),
        *(["manifest.parquet"] if (out / "manifest.parquet").exists() else []),
    }  # fmt: skip
    for row in rows:
        data, cover = (out / row["file"]).read_bytes(), (out / row["cover"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        assert hashlib.sha256(cover).hexdigest() == row["cover_sha256"]
        assert (data == cover) == (row["method"] == "cover")
        host = (photos / row["photo"]).read_bytes()
        if row["method"] == "cover" and row["file"].endswith(".png"):
            assert np.array_equal(Source(data).photo().rgb, Source(host).photo().rgb)
        elif row["method"] == "cover" and row["photo"].endswith(".jpg"):
            assert data == host  # a JPEG photo is its own cover
    hill = next(row for row in rows if row["method"] == "hill")
    assert (hill["load"], hill["payload_bytes"], hill["key"], hill["disturbance"]) == ("0.4", "", "", "")
    assert (out / "errors.csv").read_text().split() == ["index,photo,what,reason"]


def test_what_the_manifest_says_can_be_read_with_the_key(photos: Path, tmp_path: Path) -> None:
    for row in made(photos, tmp_path / "out"):
        if row["method"] != "jpeg":
            continue
        codec, size = load_codec("jpeg"), int(row["payload_bytes"])
        assert size == round(400 * 144 * 128 / 1e6)
        assert float(row["disturbance"]) > 0
        stego = codec.open(Source((tmp_path / "out" / row["file"]).read_bytes()))
        keys = Keys(bytes.fromhex(row["key"]))
        payload = codec.extract(stego, keys, lambda start, size=size: size).stream[:size]
        assert hashlib.sha256(payload).hexdigest() == row["payload_sha256"]


@pytest.mark.slow
def test_codecs_of_pixels(photos: Path, tmp_path: Path) -> None:
    plan = DatasetPlan(("stealth@0.1", "exact@full", "stealth@safe"), size=128)
    rows = made(photos, tmp_path / "out", plan)
    found = {row["method"]: row for row in rows if row["photo"] == "a.png"}
    assert set(found) == {"cover", "stealth", "exact"}
    cover, stealth = (Source((tmp_path / "out" / found[name]["file"]).read_bytes()).photo().rgb for name in
                      ("cover", "stealth"))  # fmt: skip
    assert np.array_equal(luma_of(cover), luma_of(stealth))
    assert (cover != stealth).any()
    again = made(photos, tmp_path / "again", plan)
    assert again == rows
    assert files(tmp_path / "again") == files(tmp_path / "out")


def test_simulated_methods_of_pixels(photos: Path, tmp_path: Path) -> None:
    """Each changes its covers, and the one that keeps the gray-scale really does."""
    methods = ("hill-cmd", "hill-gina", "suniward", "mipod", "hou")
    rows = made(photos, tmp_path / "out", DatasetPlan(tuple(f"{name}@0.1" for name in methods)), count=1)
    images = {row["method"]: Source((tmp_path / "out" / row["file"]).read_bytes()).photo().rgb for row in rows}
    assert set(images) == {"cover", *methods}
    for name in methods:
        assert (images[name] != images["cover"]).any()
        assert np.array_equal(luma_of(images[name]), luma_of(images["cover"])) == (name == "hou")


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(photos: Path, tmp_path: Path) -> None:
    first, rows = made(photos, tmp_path / "a"), made(photos, tmp_path / "b")
    assert first == rows
    assert files(tmp_path / "a") == files(tmp_path / "b")
    other = made(photos, tmp_path / "c", replace(PLAN, seed=8))
    stegos, others = ({row["sha256"] for row in each if row["method"] != "cover"} for each in (rows, other))
    assert not stegos & others
    assert not {row["key"] for row in rows} & {row["key"] for row in other} - {""}


def test_pieces_of_photos(tmp_path: Path) -> None:
    """Every photo gives one, then those that have more give others, never the same twice."""
    photos = tmp_path / "photos"
    photos.mkdir()
    large, small = picture(210, 140, 0), picture(70, 70, 1)
    Image.fromarray(large).save(photos / "large.png")
    Image.fromarray(small).save(photos / "small.png")
    plan = DatasetPlan(("lsb@0.4",), size=64)
    rows = [row for row in made(photos, tmp_path / "out", plan, count=10) if row["method"] == "cover"]
    assert Counter(row["photo"] for row in rows) == {"large.png": 6, "small.png": 1}
    assert {row["photo"] for row in rows[:2]} == {"large.png", "small.png"}
    for row in rows:
        rgb = Source((tmp_path / "out" / row["file"]).read_bytes()).photo().rgb
        x, y, whole = int(row["x"]), int(row["y"]), large if row["photo"] == "large.png" else small
        assert np.array_equal(rgb, whole[y : y + 64, x : x + 64])
    assert len({(row["x"], row["y"]) for row in rows if row["photo"] == "large.png"}) == 6
    assert len({row["split"] for row in rows if row["photo"] == "large.png"}) == 1
    few = [row for row in made(photos, tmp_path / "few", plan, count=3) if row["method"] == "cover"]
    assert few == rows[:3]


def test_halved_photos(photos: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(256, 200)).save(photos / "large.png")
    rows = made(photos, tmp_path / "out", replace(PLAN, halve=True))
    (cover,) = (row for row in rows if row["method"] == "cover" and row["photo"] == "large.png"
                and row["file"].endswith(".png"))  # fmt: skip
    assert Source((tmp_path / "out" / cover["file"]).read_bytes()).photo().rgb.shape == (100, 128, 3)


def test_jpeg_covers_have_the_quality_that_is_asked_for(photos: Path, tmp_path: Path) -> None:
    rows = made(photos, tmp_path / "out", DatasetPlan(("uerd@0.2",), size=64, quality=60))
    assert len(rows) == 8
    for row in rows:
        assert Source((tmp_path / "out" / row["file"]).read_bytes()).coefficients().quality[0] == 60


def test_splits_are_of_photos() -> None:
    draws = Draws(3)
    shares = Counter(make._split(draws, f"{index}.jpg") for index in range(4000))
    assert shares["test"] / 4000 == pytest.approx(0.25, abs=0.03)
    assert shares["validation"] / 4000 == pytest.approx(0.10, abs=0.02)


# -- what cannot be made


def test_errors_are_listed_and_others_are_made(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").write_bytes(b"no photo")
    Image.fromarray(np.full((128, 128, 3), 90, np.uint8)).save(photos / "gray.png")
    rows = made(photos, tmp_path / "out", replace(PLAN, methods=("hill@0.4", "jpeg@90000B")))
    assert Counter(row["method"] for row in rows) == {"cover": 8, "hill": 4}
    errors = listed((tmp_path / "out" / "errors.csv").read_bytes())
    assert Counter((row["photo"], row["what"]) for row in errors if "png" in row["photo"]) == Counter(
        {("broken.png", "cover"): 1, ("gray.png", "cover"): 1, ("a.png", "jpeg@90000B"): 1,
         ("more/b.png", "jpeg@90000B"): 1}
    )  # fmt: skip
    reasons = {row["photo"]: row["reason"] for row in errors}
    assert "not a photo in a known format" in reasons["broken.png"]
    assert "gray" in reasons["gray.png"]
    assert "does not fit" in reasons["a.png"]


def test_a_photo_smaller_than_the_covers(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(StegcinnError, match=r"no photo of .* could be used; errors\.csv says why"):
        made(photos, tmp_path / "out", replace(PLAN, size=256))
    assert "144x128 pixels, less than the covers" in (tmp_path / "out" / "errors.csv").read_text()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("steghide@0.2", "steghide draws by itself, so that nothing could be made again"),
        ("nothing@0.2", "no embedder 'nothing@0.2'"),
        ("uerd@safe", "no embedder 'uerd@safe'"),
        ("hill@full", "hill has no full load"),
    ],
)
def test_methods_that_there_are_not(text: str, reason: str, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        made(photos, tmp_path / "out", replace(PLAN, methods=(text,)))
    assert not (tmp_path / "out").exists()


def test_a_codec_that_makes_its_hosts(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_codec("exact"), "formats", (".jpg", ".png"))
    with pytest.raises(UsageError, match="exact makes a host of its own of a photo, so that there is no cover"):
        made(photos, tmp_path / "out", replace(PLAN, methods=("exact@0.4",)))


def test_plans_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="at least 64 pixels a side, not 32"):
        replace(PLAN, size=32)
    with pytest.raises(UsageError, match="the quality is 30 to 98, not 99"):
        replace(PLAN, quality=99)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(StegcinnError, match="holds no photo"):
        made(tmp_path / "nowhere", tmp_path / "out")


# -- going on


def test_what_is_there_is_not_made_again(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", 2)
    out, lines = tmp_path / "out", []
    rows = made(photos, out, report=lines.append)
    assert lines[0] == "4 of 4 covers left"
    assert [line.partition(",")[0] for line in lines[1:]] == ["2 of 4 covers", "4 of 4 covers"]
    assert lines[1].endswith(" left")
    whole = files(out)
    (lost,) = out.glob("rows/0000/0000002-*.json")  # a batch that was cut short
    lost.unlink()
    (out / rows[-1]["file"]).write_bytes(b"half")
    asked: list[str] = []
    read = Store.read
    monkeypatch.setattr(Store, "read", lambda store, name: asked.append(name) or read(store, name))
    made(photos, out)
    assert files(out) == whole
    assert len([name for name in asked if name.endswith((".png", ".jpg"))]) == 2
    more = made(photos, out, count=2)  # fewer are a part of the same
    assert more == [row for row in rows if row["file"].rpartition("/")[2][:7] in ("0000000", "0000001")]
    with pytest.raises(UsageError, match="holds a data set of another plan; choose another folder"):
        made(photos, out, replace(PLAN, seed=1))
    (photos / "a.png").unlink()
    with pytest.raises(UsageError, match="holds a data set of another photos"):
        made(photos, out)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_kill_changes_nothing(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(30):
        Image.fromarray(picture(128, 128, index)).save(photos / f"{index}.png")
    out = tmp_path / "out"
    line = [sys.executable, "-m", "stegcinn", "dataset", str(photos), "-o", str(out), "--method", "hill@0.4",
            "jpeg@400B", "--seed", "7", "--jobs", "2"]  # fmt: skip
    killed = subprocess.Popen(line, stderr=subprocess.DEVNULL, start_new_session=True)
    while killed.poll() is None and len(list(out.glob("jpeg@400B/*/*"))) < 3:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (out / "manifest.csv").exists()
    subprocess.run(line, check=True, capture_output=True)
    made(photos, tmp_path / "whole")
    assert {name: data for name, data in files(out).items() if not name.endswith(".tmp")} == files(tmp_path / "whole")


# -- elsewhere


def test_behind_a_url(photos: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for name, data in files(photos).items():
        system.pipe_file(f"/photos/{name}", data)
    counts = run.run("memory://photos", "memory://sets/out", PLAN)
    assert (counts.covers, counts.stegos, counts.errors) == (8, 8, 0)
    made(photos, tmp_path / "out")
    there = {name: system.cat_file(f"/sets/out/{name}") for name in Store("memory://sets/out").sizes()}
    assert there == files(tmp_path / "out")
    assert run.run("memory://photos", "memory://sets/out", PLAN) == counts
    system.rm("/photos", recursive=True)
    system.rm("/sets", recursive=True)


def test_a_url_that_nothing_opens() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match="nowhere://photos cannot be opened: Protocol not known: nowhere"):
        run.run("nowhere://photos", "out", PLAN)


def test_the_manifest_as_parquet(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "find_spec", lambda name: None)
        rows = made(photos, tmp_path / "plain")
    assert not (tmp_path / "plain" / "manifest.parquet").exists()
    parquet = pytest.importorskip("pyarrow.parquet")
    made(photos, tmp_path / "out")
    table = parquet.read_table(tmp_path / "out" / "manifest.parquet")
    assert table.column_names == list(manifest.COLUMNS)
    assert table.column("key").to_pylist() == [row["key"] for row in rows]
    jpegs = [index for index, row in enumerate(rows) if row["method"] == "jpeg"]
    assert all(isinstance(table.column("disturbance")[index].as_py(), float) for index in jpegs)
    assert all(isinstance(table.column("payload_bytes")[index].as_py(), int) for index in jpegs)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_two_workers_of_a_cluster(backend: str, photos: Path, tmp_path: Path) -> None:
    """A local one of two, in a process of its own: the same bytes as without."""
    pytest.importorskip("distributed" if backend == "dask" else "ray")
    out = tmp_path / "out"
    line = [sys.executable, "-m", "stegcinn", "dataset", str(photos), "-o", str(out), "--method", *PLAN.methods,
            "--seed", "7", "--jobs", "2", "--backend", backend]  # fmt: skip
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "8 covers and 8 stegos are in" in done.stderr
    made(photos, tmp_path / "here")
    assert files(out) == files(tmp_path / "here")


def test_a_backend_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend, package in (("dask", "distributed"), ("ray", "ray")):
        monkeypatch.setitem(sys.modules, package, None)
        with (
            pytest.raises(
                UsageError, match=rf"--backend {backend} needs {package}: pip install 'stegcinn\[{backend}\]'"
            ),
            spreading.workers(backend, 2),
        ):
            pass


def test_processes_have_no_address() -> None:
    with pytest.raises(UsageError, match="have no address"), spreading.workers("loky", 2, "tcp://127.0.0.1:1"):
        pass


# -- how it is cut into jobs


def test_places_and_batches(photos: Path, tmp_path: Path) -> None:
    names = ["a.png", "c.jpg", "d.jpg", "more/b.png"]
    found = places(Store(str(photos)), names, PLAN, None)
    assert sorted(place.photo for place in found) == names
    assert [place.name for place in found] == ["0000/0000000", "0000/0000001", "0000/0000002", "0000/0000003"]
    assert replace(found[0], index=2345).name == "0002/0002345"
    assert [place.photo for place in places(Store(str(photos)), names, replace(PLAN, seed=1), None)] != [
        place.photo for place in found
    ]  # fmt: skip
    assert len(places(Store(str(photos)), names, PLAN, 3)) == 3
    tally = make_batch(PLAN, Store(str(photos)), Store(str(tmp_path / "out")), Batch(tuple(found[:2])))
    assert (tally.covers, tally.stegos, tally.errors) == (4, 4, 0)
    assert plan.suffix_of(parsed("hill@0.4")) == ".png"
    assert plan.suffix_of(parsed("juniward@0.4")) == ".jpg"
