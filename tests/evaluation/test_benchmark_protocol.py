"""Hosts, stegos and cells of the detection protocols."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stegcinn.carriers.luma import luma_of
from stegcinn.errors import CapacityError, StegcinnError, UsageError
from stegcinn.evaluation.benchmark import containers, protocol
from stegcinn.evaluation.benchmark.containers import FULL, SAFE, Embedder, cached_stegos, make_stegos, paired
from stegcinn.evaluation.benchmark.hosts import ImageSet, listing_digest, read_hosts, read_stegos
from stegcinn.evaluation.benchmark.protocol import Cell, Results, detections, interval, run_cell
from stegcinn.evaluation.steganalysis.recipe import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = Recipe(epochs=1, batch=4, optimizer="adamax", learning_rate=2e-3)


def image_set(count: int = 12, side: int = 64, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    smooth = rng.integers(60, 190, (count, side // 8, side // 8, 3)).repeat(8, 1).repeat(8, 2)
    images = (smooth + rng.integers(-9, 10, smooth.shape)).astype(np.uint8)
    return ImageSet(tuple(f"photo{i}.png" for i in range(count)), images)


# hosts


def write_photos(folder, hosts: ImageSet) -> None:
    for name, image in zip(hosts.names, hosts.images, strict=True):
        Image.fromarray(image).save(folder / name)


def test_hosts_are_the_middles_of_colour_photos(tmp_path) -> None:
    hosts = image_set(5, 96)
    write_photos(tmp_path, hosts)
    Image.fromarray(hosts.images[0][..., 0]).save(tmp_path / "gray.png")
    Image.fromarray(hosts.images[0][:70]).save(tmp_path / "low.png")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    read = read_hosts(tmp_path, count=None, size=80)
    assert sorted(read.names) == sorted(hosts.names)
    for name, image in zip(read.names, read.images, strict=True):
        assert np.array_equal(image, hosts.images[hosts.names.index(name)][8:88, 8:88])
    assert read_hosts(tmp_path, count=2, size=80).names == read.names[:2]
    assert read_hosts(tmp_path, count=None, size=80, seed=1).names != read.names
    with pytest.raises(StegcinnError, match="no colour photo"):
        read_hosts(tmp_path, count=None, size=200)


def test_hosts_scaled_down(tmp_path) -> None:
    flat = np.full((130, 144, 3), (90, 120, 30), np.uint8)
    Image.fromarray(flat).save(tmp_path / "flat.png")
    Image.fromarray(flat[:127]).save(tmp_path / "low.png")
    read = read_hosts(tmp_path, count=None, size=64, halve=True)
    assert read.names == ("flat.png",)
    assert np.array_equal(read.images, np.broadcast_to(flat[0, 0], (1, 64, 64, 3)))


def test_a_listing_is_known_again_wherever_it_lies(tmp_path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    write_photos(first, image_set(3))
    (first / "notes.txt").touch()
    known = listing_digest(first)
    second = first.rename(tmp_path / "second")
    (second / "notes.txt").unlink()
    assert listing_digest(second) == known
    (second / "photo0.png").rename(second / "photo9.png")
    renamed = listing_digest(second)
    (second / "photo9.png").write_bytes(b"longer or shorter")
    assert len({known, renamed, listing_digest(second)}) == 3


def test_sets_come_back_from_disk(tmp_path) -> None:
    hosts = image_set(3)
    hosts.save(tmp_path / "deep" / "hosts.npz")
    read = ImageSet.load(tmp_path / "deep" / "hosts.npz")
    assert read.names == hosts.names
    assert np.array_equal(read.images, hosts.images)
    assert read.digest == hosts.digest
    assert ImageSet(hosts.names, hosts.images ^ 1).digest != hosts.digest
    assert ImageSet(hosts.names[::-1], hosts.images).digest != hosts.digest
    (tmp_path / "bad.npz").write_bytes(b"no npz")
    np.savez(tmp_path / "floats.npz", names=np.array(hosts.names), images=hosts.images.astype(float))
    for bad in ("bad.npz", "floats.npz", "none.npz"):
        with pytest.raises(StegcinnError, match=bad):
            ImageSet.load(tmp_path / bad)


def test_ready_made_stegos_belong_to_their_hosts(tmp_path) -> None:
    hosts = image_set(4)
    stegos = ImageSet(hosts.names[1:], hosts.images[1:] ^ 1)
    write_photos(tmp_path, stegos)
    Image.fromarray(hosts.images[0]).save(tmp_path / "photo0.jpg")  # lossy: not a stego
    for source in (tmp_path, tmp_path / "stegos.npz"):
        stegos.save(tmp_path / "stegos.npz")
        names, covers, changed = paired(hosts, read_stegos(source, hosts))
        assert names == hosts.names[1:]
        assert np.array_equal(covers, hosts.images[1:])
        assert np.array_equal(changed, stegos.images)
    with pytest.raises(StegcinnError, match="no stego"):
        read_stegos(tmp_path, ImageSet(("other.png",), hosts.images[:1]))


def test_pairs_need_something_in_common() -> None:
    hosts = image_set(3)
    shuffled = ImageSet(hosts.names[::-1], hosts.images[::-1] ^ 1)
    _, covers, stegos = paired(hosts, shuffled)
    assert np.array_equal(covers ^ 1, stegos)
    with pytest.raises(UsageError):
        paired(hosts, ImageSet(("x.png",), hosts.images[:1]))
    with pytest.raises(UsageError):
        paired(hosts, image_set(3, 72))


# embedders


def test_embedders_by_name() -> None:
    assert Embedder.parse("hill@0.4") == Embedder("hill", 0.4)
    assert Embedder.parse("exact@full") == Embedder("exact", FULL)
    assert Embedder.parse("stealth@safe") == Embedder("stealth", SAFE)
    for name in (
        "lsb@1.0",
        "lsb-coded@0.1",
        "hill-gina@0.4",
        "suniward@1.0",
        "mipod@0.2",
        "hou@0.4",
        "cinn@full",
        "stealth@safe",
        "exact@1.5",
    ):
        assert str(Embedder.parse(name)) == name
    for bad in ("hill", "hill@", "hill@full", "hill@safe", "wow@0.4", "hill@-1", "hill@x"):
        with pytest.raises(UsageError):
            Embedder.parse(bad)


def test_stegos_are_made_once(tmp_path, monkeypatch) -> None:
    hosts = image_set(4)
    made = cached_stegos(hosts, Embedder("lsb", 1.0), tmp_path, seed=0)
    assert 0.14 < (made.images != hosts.images).mean() < 0.19
    monkeypatch.setattr(containers, "make_stegos", None)
    again = cached_stegos(hosts, Embedder("lsb", 1.0), tmp_path, seed=0)
    assert np.array_equal(again.images, made.images)
    with pytest.raises(TypeError):
        cached_stegos(image_set(4, seed=1), Embedder("lsb", 1.0), tmp_path, seed=0)  # other hosts


def test_stegos_by_seed() -> None:
    hosts = image_set(2)
    one, again, other = (make_stegos(hosts, Embedder("hill", 0.4), seed=seed).images for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_codecs_embed_the_load_and_hosts_without_room_are_left_out() -> None:
    hosts = image_set(3)
    hosts.images[1] = 255  # white: there are few colours of this luma
    for embedder, least, most in ((Embedder("exact", 2.0), 0.1, 0.6), (Embedder("exact", FULL), 0.6, 1.0)):
        stegos = make_stegos(hosts, embedder, seed=0)
        assert ("photo1.png" in stegos.names) == (embedder.load == FULL)
        _, covers, changed = paired(ImageSet(("photo0.png", "photo2.png"), hosts.images[[0, 2]]), stegos)
        assert least < (covers != changed).any(-1).mean() < most
        assert np.array_equal(luma_of(covers), luma_of(changed))


def test_hosts_of_which_none_takes_the_load(monkeypatch) -> None:
    def refuse(*arguments) -> None:
        raise CapacityError(2, 1)

    monkeypatch.setattr(containers, "_hide", refuse)
    with pytest.raises(UsageError, match="no host"):
        make_stegos(image_set(2), Embedder("exact", 1.0), seed=0)


# cells and results


def test_a_host_is_for_the_same_with_every_embedder() -> None:
    hosts = tuple(f"{i}.png" for i in range(40))
    whole = protocol._split(hosts, hosts, 3)
    some = tuple(name for i, name in enumerate(hosts) if i % 3)
    parts = protocol._split(some, hosts, 3)
    for part, full in ((parts.train, whole.train), (parts.validation, whole.validation), (parts.test, whole.test)):
        assert {some[i] for i in part} == {hosts[i] for i in full} & set(some)


def test_all_trainings_begin_with_the_proof_of_their_detector() -> None:
    cell = Cell("cinn@full", "xunet", "gray", 2, "synthetic-cover")
    assert protocol.proof_of(cell) == Cell(protocol.PROOF, "xunet", "gray", 2)
    assert protocol.proof_of(protocol.proof_of(cell)) == protocol.proof_of(cell)


def test_a_cell_is_trained_and_tested(tmp_path) -> None:
    hosts = image_set()
    stegos = ImageSet(
        hosts.names, hosts.images ^ np.random.default_rng(0).integers(0, 64, hosts.images.shape, np.uint8)
    )
    cell = Cell("noise", "xunet", "colour", 0)
    row = run_cell(cell, hosts, stegos, RECIPE, tmp_path / "run")
    assert row["accuracy"] == 1
    assert row["train_hosts"] + row["test_hosts"] < row["hosts"] == 12
    assert (tmp_path / "run" / "log.csv").exists()


def test_a_detector_that_begins_from_nothing_sees_easier_stegos_first(monkeypatch) -> None:
    hosts, seen = image_set(), []

    class Noting(protocol.Trainer):
        def __init__(self, *arguments, easier, start, **options) -> None:
            seen.append([float((each != hosts.images).mean()) for each in easier])
            super().__init__(*arguments, easier=easier, **options)

    monkeypatch.setattr(protocol, "Trainer", Noting)
    stegos = make_stegos(hosts, Embedder("lsb", 1.0), seed=0)
    recipe = replace(RECIPE, eased=(0.3, 0.6), epochs=2, again=1)
    cell = Cell("lsb@1.0", "xunet", "colour", 0)
    assert run_cell(cell, hosts, stegos, recipe)["recipe"] == asdict(recipe)
    later = run_cell(cell, hosts, stegos, recipe, start=Path("elsewhere"))["recipe"]
    assert (later["eased"], later["epochs"]) == ((), 1)
    assert run_cell(cell, hosts, stegos, RECIPE, start=Path("elsewhere"))["recipe"] == asdict(RECIPE)
    assert seen == [[pytest.approx(1 / 2, abs=0.02), pytest.approx(1 / 3, abs=0.02)], [], []]


def test_gray_detectors_get_identical_images_by_the_luma_lock() -> None:
    hosts = image_set(4)
    stegos = make_stegos(hosts, Embedder("exact", 0.4), seed=0)
    row = run_cell(Cell("exact@0.4", "kenet", "gray", 0), hosts, stegos, RECIPE)
    assert row["identical"]
    assert row["accuracy"] == 0.5
    matched = make_stegos(image_set(12), Embedder("lsb", 1.0), seed=0)  # has no lock
    assert not run_cell(Cell("lsb@1.0", "xunet", "gray", 0), image_set(12), matched, RECIPE)["identical"]


def test_results_survive_and_say_what_is_done(tmp_path) -> None:
    path = tmp_path / "out" / "results.json"
    cell = Cell("hill@0.4", "xunet", "colour", 0)
    results = Results(path)
    assert cell not in results
    results.add(cell, {"protocol": "natural-cover", "embedder": "hill@0.4", "detector": "xunet", "planes": "colour",
                       "seed": 0, "accuracy": 0.6, "identical": False})  # fmt: skip
    again = Results(path)
    assert cell in again
    assert Cell("hill@0.4", "xunet", "colour", 1) not in again
    assert Cell("hill@0.4", "xunet", "gray", 0) not in again
    assert again.content["detections"][0]["accuracy"] == 0.6
    assert json.loads(path.read_text()) == again.content
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]


def test_intervals_are_students() -> None:
    mean, half = interval([0.5, 0.6, 0.7])
    assert mean == pytest.approx(0.6)
    assert half == pytest.approx(4.303 * 0.1 / math.sqrt(3), rel=1e-3)
    assert math.isnan(interval([0.5])[1])
    assert interval([0.5] * 3) == (0.5, 0)
    assert interval(list(range(30)))[1] == pytest.approx(1.96 * np.std(range(30), ddof=1) / math.sqrt(30))


def test_every_detection_has_its_detectors_own_proof() -> None:
    def row(embedder: str, accuracy: float, seed: int, planes: str = "colour") -> dict:
        return {"protocol": "natural-cover", "embedder": embedder, "detector": "xunet", "planes": planes, "seed": seed,
                "accuracy": accuracy, "identical": accuracy == 0.5}  # fmt: skip

    rows = [row("hill@0.4", 0.6, 0), row("hill@0.4", 0.64, 1), row(protocol.PROOF, 0.9, 0), row(protocol.PROOF, 0.8, 1),
            row("hill@0.4", 0.7, 0, "gray"), row("exact@full", 0.99, 0)]  # fmt: skip
    table = {(line["method"], line["planes"]): line for line in detections(rows)}
    assert table["hill", "colour"]["accuracy"] == 0.62
    assert table["hill", "colour"]["proof"] == 0.85
    assert table["hill", "colour"]["load_bpp"] == 0.4
    assert table["hill", "colour"]["seeds"] == 2
    assert table["hill", "gray"]["proof"] is None
    assert table["hill", "gray"]["ci95"] is None
    assert table["exact", "colour"]["load_bpp"] == "full"
    assert not table["exact", "colour"]["identical"]
    assert detections([row("exact@full", 0.5, 0), row("exact@full", 0.5, 1)])[0]["identical"]
    assert not detections([row("exact@full", 0.5, 0), row("exact@full", 0.6, 1)])[0]["identical"]


def test_an_analyst_takes_what_validates_better_whatever_the_test_says() -> None:
    def row(planes: str, seed: int, validation: float, accuracy: float, detector: str = "xunet") -> dict:
        return {"protocol": "natural-cover", "embedder": "hill@0.4", "detector": detector, "planes": planes,
                "seed": seed, "validation": validation, "accuracy": accuracy, "identical": False}  # fmt: skip

    rows = [row("gray", 0, 0.7, 0.6), row("colour", 0, 0.6, 0.9), row("gray", 1, 0.5, 0.5), row("colour", 1, 0.8, 0.7)]
    for line in detections(rows):
        assert line["both"] == 0.65
        assert line["both_ci95"] == pytest.approx(interval([0.6, 0.7])[1], abs=1e-4)
    assert all(line["both"] is None for line in detections(rows[:3]))  # gray was run for another seed too
    assert detections(rows[:1])[0]["both"] is None
    unknown = {name: value for name, value in rows[0].items() if name != "validation"}
    assert detections([unknown, rows[1]])[0]["both"] is None
    others = [row("gray", 0, 0.5, 0.5, "rich-model"), row("colour", 0, 0.6, 0.55, "rich-model")]
    found = {line["detector"]: line["both"] for line in detections([*rows, *others])}
    assert found == {"xunet": 0.65, "rich-model": 0.55}


def test_attackers_without_a_network_in_gray(tmp_path) -> None:
    hosts = image_set()
    stegos = make_stegos(hosts, Embedder("lsb", 1.0), seed=0)
    row = run_cell(Cell("lsb@1.0", "rich-model", "gray", 0), hosts, stegos, None, cache=tmp_path)
    assert not row["identical"]
    assert 0 <= row["validation"] <= 1
    kept = [np.load(path).shape[1] for path in tmp_path.glob("*-rich-model.npy")]
    assert kept == [178, 178]
