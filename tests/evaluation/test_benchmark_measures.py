"""What the benchmark measures on containers: rows of methods, model-aware attackers, synthetic covers, speed."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.cinn.mapping import ALPHA
from stegcinn.errors import StegcinnError, UsageError
from stegcinn.evaluation.baselines.hiders import HIDERS
from stegcinn.evaluation.benchmark import attacker, learnt, quality, speed
from stegcinn.evaluation.benchmark.attacker import SIZES, cached_statistics, statistics
from stegcinn.evaluation.benchmark.containers import FULL, Embedder, make_stegos
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.evaluation.benchmark.learnt import LearntPlan, bch_accuracy, net_share
from stegcinn.evaluation.benchmark.paper import PaperPlan, shipped
from stegcinn.evaluation.benchmark.quality import appearance, codec_row, unrounded_accuracy
from stegcinn.evaluation.benchmark.synthetic import synthetic_pairs
from stegcinn.evaluation.steganalysis.linear import accuracy, judged

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def hosts() -> ImageSet:
    images = np.stack([speed.subject(96)[:64, :64], speed.subject(96)[32:, 32:]])
    return ImageSet(("a.png", "b.png"), images)


def near_zero(rgb: np.ndarray) -> float:
    """Share of |z| below alpha at the finest level."""
    inside = np.flatnonzero(np.array(SIZES[1:]) <= ALPHA)
    return float(statistics("z-histogram", rgb)[inside].sum())


# rows of the table


def test_looks_of_equal_and_unequal_pairs(hosts) -> None:
    measures = {"brightness": lambda rgb: float(rgb.mean()), "picky": _picky}
    same = appearance(hosts.images, hosts.images, measures)
    assert (same["psnr"], same["ssim"], same["changed"]) == (np.inf, 1, 0)
    assert same["brightness"] == same["brightness_host"]
    changed = hosts.images.copy()
    changed[0, :, :, 1] ^= 1  # of two pairs, one has an error of 1 in a third of its samples
    other = appearance(hosts.images, changed, measures)
    assert other["psnr"] == pytest.approx(10 * np.log10(255**2 * 6), abs=1e-3)
    assert other["changed"] == 0.5
    assert np.isnan(other["picky"])


def _picky(rgb: np.ndarray) -> float:
    raise ValueError("not defined for this image")


@pytest.mark.slow
def test_rows_of_codecs_count_what_comes_back(hosts, monkeypatch) -> None:
    row, stegos = codec_row("exact", 0.4, hosts, seed=0)
    assert row["net_bpp"] == row["bpp"] == pytest.approx(0.4, abs=0.005)
    assert (row["failed_files"], row["files"], row["accuracy_rounded"]) == (0, 2, 1)
    assert np.array_equal(luma_of(stegos.images), luma_of(hosts.images))
    full, _ = codec_row("exact", FULL, hosts, seed=0)
    assert full["net_bpp"] > 1
    uncover = quality.stego.uncover
    monkeypatch.setattr(quality.stego, "uncover", lambda photo: type(uncover(photo))(b"other"))
    broken, _ = codec_row("exact", 0.4, hosts, seed=0)
    assert (broken["failed_files"], broken["net_bpp"], broken["no_room"]) == (2, 0, 0)


@pytest.mark.slow
def test_hosts_without_room_are_no_failures(hosts, monkeypatch) -> None:
    white = ImageSet(hosts.names, hosts.images.copy())
    white.images[0] = 255
    row, stegos = codec_row("exact", 2.0, white, seed=0)
    assert (row["failed_files"], row["no_room"], row["files"]) == (0, 1, 2)
    assert stegos.names == hosts.names[1:]
    white.images[1] = 255
    row, stegos = codec_row("exact", 2.0, white, seed=0)
    assert (row["failed_files"], row["no_room"], row["net_bpp"], stegos.names) == (0, 2, 0, ())
    for promised, failed, no_room in ((0, 0, 2), (1000, 2, 0)):  # what was promised must be there
        monkeypatch.setattr(quality.stego, "measure", lambda photo, codec, n=promised: SimpleNamespace(bytes=n))
        row, _ = codec_row("exact", FULL, white, seed=0)
        assert (row["failed_files"], row["no_room"]) == (failed, no_room)


def test_the_flow_gives_signs_back_before_rounding(hosts) -> None:
    assert unrounded_accuracy(hosts.images[0], np.random.default_rng(0)) > 0.99


def test_rows_of_learnt_baselines(hosts, tmp_path) -> None:
    plan = LearntPlan(steps=1, batch=1, narrow=32, retrain=True)
    hide, again = (
        learnt.trained("hidden@0.0018", hosts.images, plan, tmp_path, None, 0, lambda line: None) for _ in range(2)
    )
    assert np.array_equal(hide(hosts, 0).images, again(hosts, 0).images)
    row, stegos = quality.learnt_row(hide, hosts, 0)
    assert row["accuracy_bch"] is None  # 30 bits are no block
    assert row["bpp"] == round(30 / 64**2, 4)
    assert 0 <= row["accuracy_rounded"] <= 1
    assert stegos.images.shape == hosts.images.shape
    assert row["failed_files"] == 2
    assert row["net_bpp"] == 0


def test_what_ships_is_not_trained(hosts, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(learnt, "train", lambda *arguments: pytest.fail("trained"))
    for name in (*HIDERS, learnt.STEG_CINN):
        hide = learnt.trained(name, hosts.images, LearntPlan(), tmp_path / "none", None, 0, lambda line: None)
        assert hide(hosts, 0).images.shape == hosts.images.shape
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_rows_of_the_papers_own_network(hosts, tmp_path) -> None:
    photos = np.concatenate([hosts.images] * 20)  # enough that the split by name holds some out
    few = ("stage1.steps=2", "stage1.batch=1", "data.size=64", "log.save_every=1")
    network = ("network.couplings=[1, 1]", "network.hidden=4", "network.features=4", "rounds.rounds=1")
    rounds = ("rounds.iterations=1", "rounds.batch=1", "log.test_photos=2")
    plan = LearntPlan(retrain=True, paper=PaperPlan((*few, "network.vgg_width=4"), (*few, *network, *rounds)))
    lines: list[str] = []
    hide, again = (learnt.trained(learnt.STEG_CINN, photos, plan, tmp_path, None, 0, lines.append) for _ in range(2))
    assert len(lines) == 2 + 3  # nothing is trained twice
    assert np.array_equal(hide(hosts, 0).images, again(hosts, 0).images)
    row, stegos = quality.learnt_row(hide, hosts, 0)
    assert row["bpp"] == 2
    assert 0.45 < row["accuracy_rounded"] < row["accuracy_unrounded"]
    assert row["accuracy_unrounded"] > 0.98
    assert stegos.images.shape == hosts.images.shape


def test_what_bch_mends() -> None:
    assert bch_accuracy(1.0, 1000) == 1
    assert bch_accuracy(0.97, 200) is None
    rng = np.random.default_rng(0)
    for right in (0.97, 0.94, 0.9):
        errors = rng.binomial(255, 1 - right, 200_000)
        expected = 1 - np.where(errors > 14, errors, 0).mean() / 255
        assert bch_accuracy(right, 32768) == pytest.approx(expected, abs=2e-4)


def test_what_an_error_correcting_code_leaves() -> None:
    assert net_share(1.0, 30) == 1
    assert net_share(0.99, 30) == 0  # too short for any code
    assert net_share(0.5, 16384) == net_share(0.3, 16384) == 0
    shares = [net_share(a, 16384) for a in (0.6923, 0.9, 0.98, 0.999)]
    assert shares == sorted(shares)
    information = 1 + 0.98 * np.log2(0.98) + 0.02 * np.log2(0.02)
    assert 0.8 * information < shares[2] < information


# attackers


def test_containers_of_cinn_have_a_hole_at_alpha(hosts) -> None:
    stegos = make_stegos(hosts, Embedder("cinn", FULL), seed=0)
    for host, container in zip(hosts.images, stegos.images, strict=True):
        assert near_zero(container) < 0.6 * near_zero(host)
    found = statistics("z-histogram", hosts.images[0])
    assert found.shape == (2 * (len(SIZES) - 1),)
    assert found[: len(SIZES) - 1].sum() == pytest.approx(1)


def test_code_lengths_move_with_what_is_drawn(hosts) -> None:
    full = make_stegos(hosts, Embedder("exact", FULL), seed=0)
    before, after = (statistics("code-length", images[0]) for images in (hosts.images, full.images))
    assert before.shape == after.shape
    assert np.isfinite(before).all()
    assert np.abs(before[:16] - after[:16]).max() > 0.1
    assert np.array_equal(before, statistics("code-length", hosts.images[0]))
    with pytest.raises(UsageError, match="code-length"):
        statistics("tea leaves", hosts.images[0])


def test_who_needs_colours_is_told_so(hosts) -> None:
    gray = luma_of(hosts.images)[..., None]
    assert statistics("rich-model", gray[0]).shape != statistics("rich-model", hosts.images[0]).shape
    with pytest.raises(UsageError, match="code-length needs colours"):
        statistics("code-length", gray[0])


def test_statistics_are_computed_once(hosts, tmp_path, monkeypatch) -> None:
    first = cached_statistics(hosts, "z-histogram", tmp_path)
    monkeypatch.setattr(attacker, "statistics", None)
    assert np.array_equal(cached_statistics(hosts, "z-histogram", tmp_path), first)


def test_a_logistic_regression_decides() -> None:
    rng = np.random.default_rng(0)
    covers, stegos = rng.normal(0, 1, (400, 5)), rng.normal(0, 1, (400, 5))
    train, test = np.arange(300), np.arange(300, 400)
    assert 0.38 < accuracy(covers, stegos, train, test) < 0.62
    shifted = stegos + np.array([2.0, 0, 0, 0, 0])  # Phi(1) = 84 % for the best rule
    assert accuracy(covers, shifted, train, test) == pytest.approx(0.84, abs=0.06)
    assert accuracy(covers, stegos + 20, train, test) == 1
    assert accuracy(1e-6 * covers, 1e-6 * shifted, train, test) == accuracy(covers, shifted, train, test)


def test_validation_is_known_before_the_test() -> None:
    """It is near the accuracy, and does not depend on the test hosts."""
    rng = np.random.default_rng(0)
    covers, stegos = rng.normal(0, 1, (400, 5)), rng.normal(0, 1, (400, 5)) + np.array([2.0, 0, 0, 0, 0])
    train, test = np.arange(300), np.arange(300, 400)
    found, validation = judged(covers, stegos, train, test)
    assert found == accuracy(covers, stegos, train, test)
    assert validation == pytest.approx(0.84, abs=0.05)
    assert judged(covers, np.concatenate([stegos[:300], covers[300:]]), train, test) == (
        pytest.approx(0.5), validation,
    )  # fmt: skip


# synthetic covers


@pytest.mark.slow
def test_synthetic_covers_have_the_hosts_gray_scale_and_no_hole(hosts) -> None:
    covers, stegos = synthetic_pairs(hosts, "cinn", seed=0)
    assert covers.names == stegos.names
    assert len(covers.names) > 0
    for name, cover, container in zip(covers.names, covers.images, stegos.images, strict=True):
        host = hosts.images[hosts.names.index(name)]
        assert np.array_equal(luma_of(cover), luma_of(host))
        assert np.array_equal(luma_of(container), luma_of(host))
        assert (cover != host).any()
        assert near_zero(container) < 0.6 * near_zero(cover)


def test_the_papers_network_draws_covers_without_a_hole(hosts) -> None:
    network = shipped()
    sizes = []
    for images in (network(hosts, 0).images, network.drawn(hosts, 0).images):
        z = network.network.read(network.network.inputs(images))[0].numpy()
        sizes.append(float((np.abs(z) < network.alpha / 2).mean()))
    holed, whole = sizes
    assert whole == pytest.approx(0.04, abs=0.01)  # of N(0, 1), within 0.05 of zero
    assert holed < whole / 2
    assert not np.array_equal(network.drawn(hosts, 0).images, network.drawn(hosts, 1).images)


def test_synthetic_pairs_of_exact_are_two_draws(hosts) -> None:
    one = ImageSet(hosts.names[:1], hosts.images[:1])
    covers, stegos = synthetic_pairs(one, "exact", seed=0)
    assert (covers.images != stegos.images).any(-1).mean() > 0.5
    assert np.array_equal(luma_of(covers.images), luma_of(one.images))


# speed


def test_methods_are_timed_and_checked() -> None:
    for method in (speed.LSB, "exact"):
        row = speed.timed(method, side=96)
        assert row["exact"] is True
        assert row["hide"] > 0
        assert row["reveal"] > 0
        assert row["peak_mb"] > 10


@pytest.mark.slow
def test_each_method_is_timed_in_a_process_of_its_own() -> None:
    row = speed.measure(speed.LSB)
    assert row["megapixels"] == pytest.approx(0.41)
    assert row["exact"]
    with pytest.raises(StegcinnError, match=r"^tea leaves could not be timed \(.*tea leaves.*\)$"):
        speed.measure("tea leaves")


def test_memory_is_not_measured_everywhere(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(speed, "STATUS", tmp_path / "none")
    assert speed.peak_mb() > 10
    monkeypatch.setitem(sys.modules, "resource", None)
    assert speed.peak_mb() is None
