"""The benchmark from end to end, at its smallest, and how it is cut into jobs."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.lumalocked import LumaLocked
from stegcinn.errors import CapacityError, StegcinnError, UsageError
from stegcinn.evaluation.benchmark import detectors, plans, protocol, run, work
from stegcinn.evaluation.benchmark.attacker import cached_statistics
from stegcinn.evaluation.benchmark.containers import Embedder
from stegcinn.evaluation.benchmark.detectors import DETECTORS
from stegcinn.evaluation.benchmark.hosts import ImageSet, read_hosts
from stegcinn.evaluation.benchmark.learnt import LEARNT, STEG_CINN, LearntPlan
from stegcinn.evaluation.benchmark.plans import PIXELS, PLANS, SYNTHETIC, BenchmarkPlan, Share, cells_of, embedders_of
from stegcinn.evaluation.benchmark.progress import Progress, Stage
from stegcinn.evaluation.benchmark.protocol import PROOF, Cell
from stegcinn.evaluation.benchmark.work import attacked, read_sets, stegos_path
from stegcinn.evaluation.spreading import spread

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = BenchmarkPlan(
    "small", hosts=8, photos=3, size=64, seeds=(0,), loads=(0.4,),
    heavy={name: Share(()) for name in DETECTORS if name != "xunet"},
    learnt=LearntPlan(steps=1, batch=1, narrow=32, retrain=True), quality_hosts=2,
)  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(11):
        blocks = rng.integers(60, 190, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
        Image.fromarray((blocks + rng.integers(-9, 10, blocks.shape)).astype(np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    """One codec, one learnt baseline, one detector, one epoch, no clock."""
    for module in (plans, run):
        monkeypatch.setattr(module, "PIXELS", ("exact",))
        monkeypatch.setattr(module, "LEARNT", ("udh@0.25",))
        monkeypatch.setattr(module, "SYNTHETIC", ("exact@full",))
    monkeypatch.setattr(plans, "detectors_of", lambda preset: ("xunet",))
    monkeypatch.setattr(plans, "ATTACKED", {"code-length": ("exact",), "z-histogram": ()})
    monkeypatch.setitem(detectors.SMALL, "xunet", replace(detectors.SMALL["xunet"], epochs=1, batch=2))
    timing = {"hide": 1.0, "reveal": 1.0, "peak_mb": 1, "exact": True}
    monkeypatch.setattr(run, "measure", lambda method: {"method": method, **timing})
    monkeypatch.setattr("stegcinn.evaluation.benchmark.quality.brisque", lambda rgb: 20.0)


@pytest.mark.slow
@pytest.mark.usefixtures("smallest")
def test_from_photos_to_tables_and_on_again(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, lines, where = tmp_path / "out", [], []

    def there(images: ImageSet, attacker: str, cache: Path) -> np.ndarray:
        assert (cache / f"{images.digest}-{attacker}.npy").exists()  # else cells side by side would all compute it
        return cached_statistics(images, attacker, cache)

    monkeypatch.setattr(protocol, "cached_statistics", there)
    content = run.run(photos, out, TINY, report=lines.append, working=where.append)
    assert lines[0] == f"reading photos of {photos}"  # before anything that takes long
    assert lines[1].startswith("stage 1 of 4, stegos, and networks that do not ship: 0 of 12, about ")
    assert [line.rpartition("(")[2].partition(", about")[0] for line in lines[2:5]] == [
        f"stage 1 of 4, stegos, and networks that do not ship: {done} of 12" for done in (1, 2, 3)
    ]  # fmt: skip
    count = len(list(cells_of(TINY)))
    assert any(f"stage 3 of 4, trainings and attacks: {count} of {count}, about " in line for line in lines)
    assert f"({where[-1]})" in lines[-1]
    assert "about 0:00:00 left" in lines[-1]
    assert json.loads((out / "results.json").read_text()) == content
    rows = {row["name"]: row for row in content["rows"]}
    assert {name: (row["method"], row["preset"]) for name, row in rows.items()} == {
        "udh@0.25": ("udh", "small"), "exact@0.4": ("exact", "default"), "exact@full": ("exact", "default"),
    }  # fmt: skip
    exact = rows["exact@0.4"]
    assert exact["failed_files"] == 0
    assert exact["net_bpp"] == pytest.approx(0.4, abs=0.01)
    assert {"method", "preset", "bpp", "net_bpp", "accuracy_unrounded", "accuracy_rounded", "failed_files",
            "brisque"} <= set(exact)  # fmt: skip
    assert len(content["cells"]) == len(list(cells_of(TINY)))
    gray = [d for d in content["detections"] if (d["method"], d["planes"]) == ("exact", "gray")]
    assert {d["protocol"] for d in gray} == {"natural-cover", "synthetic-cover"}
    assert all(d["identical"] and d["accuracy"] == 0.5 for d in gray)
    assert {"method", "load_bpp", "detector", "planes", "protocol", "accuracy", "ci95", "proof"} <= set(gray[0])
    assert "identical images" in (out / "tables.md").read_text()
    assert {"udh@0.25.png", "exact@full.png", "detection.png"} <= {p.name for p in (out / "figures").iterdir()}
    assert content["environment"]["torch"]
    html = (out / "report.html").read_text()
    assert html.count("data:image/png;base64,") == len(list((out / "figures").iterdir()))
    assert content["environment"]["torch"] in html

    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("this was done before")

    for name in ("codec_row", "learnt_row", "measure", "trained"):
        monkeypatch.setattr(run, name, never)
    for name in ("run_cell", "trained", "synthetic_pairs"):
        monkeypatch.setattr(work, name, never)
    moved = photos.rename(tmp_path / "moved")
    assert run.run(moved, out, TINY) == content
    with pytest.raises(UsageError, match="another plan"):
        run.run(moved, out, replace(TINY, seeds=(1,)))
    with monkeypatch.context() as patch:
        patch.setattr(run, "environment", lambda: content["environment"] | {"numpy": "0.9"})
        with pytest.raises(UsageError, match="other versions"):
            run.run(moved, out, TINY)
    next(moved.iterdir()).rename(moved / "another.png")
    with pytest.raises(UsageError, match="other photos"):
        run.run(moved, out, TINY)
    assert json.loads((out / "results.json").read_text()) == content


def test_hosts_that_nobody_knows_are_read_anew(photos: Path, tmp_path: Path) -> None:
    """A benchmark that was killed before it wrote down what photos it has."""
    hosts = ImageSet(("other.png",) * 11, np.zeros((11, 64, 64, 3), np.uint8))
    hosts.save(tmp_path / "hosts.npz")
    read, _ = read_sets(photos, tmp_path, TINY, begun=False)
    assert set(read.names) <= {path.name for path in photos.iterdir()}
    hosts.save(tmp_path / "hosts.npz")
    assert read_sets(photos, tmp_path, TINY, begun=True)[0].names[0] == "other.png"


def test_statistics_are_asked_for_once_for_all_cells_that_share_them(tmp_path: Path) -> None:
    hosts = ImageSet(("a", "b"), np.zeros((2, 8, 8, 3), np.uint8))
    for value, name in enumerate(("exact@full", "stealth@full"), start=1):
        ImageSet(hosts.names, hosts.images + np.uint8(value)).save(stegos_path(tmp_path, hosts, name, TINY.seed))
    cells = [Cell(name, detector, "colour", seed) for name in ("exact@full", "stealth@full") for seed in (0, 1, 2)
             for detector in ("code-length", "xunet")]  # fmt: skip
    found = attacked(cells, hosts, tmp_path, TINY)
    assert [(images.images.max(), attacker) for images, attacker in found] == [
        (0, "code-length"), (1, "code-length"), (2, "code-length"),
    ]  # fmt: skip
    both = [Cell("exact@full", "rich-model", planes, 0) for planes in ("colour", "gray")]
    shapes = [images.images.shape for images, _ in attacked(both, hosts, tmp_path, TINY)]
    assert shapes == [(2, 8, 8, 3), (2, 8, 8, 3), (2, 8, 8, 1), (2, 8, 8, 1)]


@pytest.mark.usefixtures("smallest")
def test_a_method_for_which_no_host_has_room(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LEARNT", ())
    hosts = read_hosts(photos, count=2, size=64)
    results = protocol.Results(tmp_path / "results.json")
    progress = Progress([Stage("rows", 1, 0, 1.0)], 1, lambda line: None, lambda line: None)
    run._rows(results, hosts, hosts, tmp_path, TINY, ["exact@200.0"], None, None, progress)
    (row,) = results.content["rows"]
    assert (row["name"], row["failed_files"], row["no_room"], row["net_bpp"]) == ("exact@200.0", 0, 2, 0)
    assert "psnr" not in row
    assert not (tmp_path / "figures").exists()


def test_results_go_into_a_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made a folder"):
        run.run(photos, tmp_path / "file", TINY)


def test_too_few_photos(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(StegcinnError, match="too few photos for a benchmark: 8 in colour and of at least 64x64 pixels"):
        run.run(photos, tmp_path / "out", replace(TINY, hosts=4, photos=4))
    with pytest.raises(StegcinnError, match="preset small is made for 60"):
        run.run(photos, tmp_path / "other", replace(TINY, hosts=20, photos=40))


def test_fewer_photos_than_the_plan_is_made_for_are_noted(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything that takes long; a test set of 3 hosts gives 6 decisions, 40 points from the truth at most."""

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    lines: list[str] = []
    monkeypatch.setattr(run, "spread", stop)
    with pytest.raises(KeyboardInterrupt):
        run.run(photos, tmp_path / "out", replace(TINY, hosts=16, photos=6), report=lines.append)
    (note,) = [line for line in lines if line.startswith("note")]
    assert note == (
        "note: there are 11 photos, and the preset small is made for 22: 8 hosts instead of 16, so that each accuracy "
        "may be 49 points from the truth and detectors learn less; 3 to train baselines instead of 6"
    )


def test_all_methods_at_the_loads_that_suit_them() -> None:
    for plan in PLANS.values():
        names = [str(embedder) for embedder in embedders_of(plan)]
        assert names[0] == PROOF
        assert len(set(names)) == len(names)
        assert {
            "hill@0.4",
            "hill@1.0",
            "hou@0.4",
            "lsb@0.4",
            "exact@0.4",
            "exact@1.0",
            "exact@full",
            "cinn@full",
        } <= set(names)
        assert "cinn@0.4" not in names
        assert all(Embedder.parse(name) for name in names)


def test_every_method_hides_in_images_or_has_no_room() -> None:
    assert tuple(name for name in CODECS if isinstance(load_codec(name), LumaLocked)) == PIXELS
    noise = np.random.default_rng(0).normal(128, 20, (64, 64, 3))
    image = np.clip(np.rint(noise), 0, 255).astype(np.uint8)
    for embedder in {str(each) for plan in PLANS.values() for each in embedders_of(plan)}:
        with suppress(CapacityError):
            stego = Embedder.parse(embedder).function()(image, np.random.default_rng(1))
            assert stego.shape == image.shape
            assert (stego != image).any()


def test_every_cell_once_and_three_seeds_of_each() -> None:
    for plan in PLANS.values():
        cells = list(cells_of(plan))
        assert len({cell.name for cell in cells}) == len(cells)
        groups = Counter((c.protocol, c.embedder, c.detector, c.planes) for c in cells)
        natural = {c.embedder for c in cells if c.protocol == "natural-cover" and c.detector == "xunet"}
        attacked = {c.embedder for c in cells if c.protocol == "natural-cover" and c.detector == "rich-model"}
        assert attacked == {*LEARNT, *(str(embedder) for embedder in embedders_of(plan))}
        assert natural == {each for each in attacked if each.partition("@")[0] not in plan.attacked_only}
        assert ("natural-cover", "hill@0.4", "rich-model", "gray") in groups
        assert ("natural-cover", "exact@full", "code-length", "gray") not in groups
        for (_, _, detector, _), count in groups.items():
            assert count == (plan.heavy[detector].seeds if detector in plan.heavy else 3)
        for _, _, detector, planes in groups:  # all that is found is proven
            assert ("natural-cover", PROOF, detector, planes) in groups
        assert {c.embedder for c in cells if c.protocol == "synthetic-cover"} == set(SYNTHETIC)
        for detector in ("xunet", "yedroudjnet", "kenet"):  # the paper's table 2
            for embedder in ("ddh@1.0", "udh@1.0", "hidden@0.0018"):
                assert ("natural-cover", embedder, detector, "gray") in groups
            assert ("synthetic-cover", STEG_CINN, detector, "gray") in groups
    assert {cell.detector for cell in cells_of(PLANS["paper"])} >= {*DETECTORS}


def _process(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


@pytest.mark.slow
def test_jobs_are_spread_over_two_workers() -> None:
    """Four jobs that take a moment: no single process does them all, and this one does none."""
    workers = set(spread(2, _process, [(0.3,)] * 4))
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert set(spread(1, _process, [(0,)] * 2)) == {os.getpid()}
