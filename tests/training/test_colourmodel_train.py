"""Training of the colour model: batches as they should be, a run learns, can be taken up again, and is released."""

from __future__ import annotations

import csv
import math
import re
import types
from dataclasses import replace
from functools import partial
from importlib.metadata import version

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import stripes

from stegcinn.carriers.luma import luma_of
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import base
from stegcinn.codecs.base import COLORS, Wish
from stegcinn.codecs.exact.codec import ExactCodec
from stegcinn.colourmodel.networks import ColourModel as Runtime
from stegcinn.errors import UsageError
from stegcinn.runtime.weights import Release
from stegcinn.sealing import keys
from stegcinn.sealing.envelope import Payload, pack, seal, stream_size, unseal
from stegcinn.training.colourmodel import release as release_exact
from stegcinn.training.colourmodel import train as exact
from stegcinn.training.colourmodel.network import ColourModel
from stegcinn.training.colourmodel.release import code_lengths, release
from stegcinn.training.colourmodel.train import (
    ColoursConfig,
    PhotoPile,
    Sampler,
    learning_rate,
    load_checkpoint,
    losses,
    luma,
    model_of,
    train,
)

STEP = 25.0  # seconds that a step takes on the clock of these tests; there is a checkpoint every third step
STEPS = 8
TINY = ColoursConfig(
    minutes=STEPS * STEP / 60,
    batch=1,
    groups=2,
    crop=32,
    levels=3,
    wide_crop=48,
    wide_levels=4,
    warmup=3,
    learning_rate=1e-2,
    widths=((6, 5, 4),) * 3,
)
HELD_OUT = "photo024.png"  # see test_training.py
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _alone(monkeypatch, one_thread):
    """One thread, no CUDA, and the switches that `train` sets set back."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    switches = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    yield
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = switches


def ticking(patch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A clock for training on which time passes with steps only."""
    clock = types.SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    step = exact.Stepper.__call__

    def call(self, *args):
        clock.now += STEP
        return step(self, *args)

    patch.setattr(exact, "time", clock)
    patch.setattr(exact.Stepper, "__call__", call)
    return clock


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    return ticking(monkeypatch)


@pytest.fixture
def _unvalidated(monkeypatch):
    monkeypatch.setattr(exact, "validate", lambda *args: [])


def photo(seed: int, height: int = 70, width: int = 90) -> np.ndarray:
    return stripes(seed, height, width, swing=80, blue=255)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i, name in enumerate(("photo000.png", "photo001.png", HELD_OUT)):
        Image.fromarray(photo(i)).save(folder / name)
    return [folder]


@pytest.fixture(scope="module")
def uninterrupted(photos, tmp_path_factory, one_thread):
    """The folder of a finished run, and what it reported."""
    with pytest.MonkeyPatch.context() as patch:
        ticking(patch)
        patch.setattr(torch.cuda, "is_available", lambda: False)
        run, lines = tmp_path_factory.mktemp("runs") / "run", []
        train(photos, run, TINY, report=lines.append)
    return run, lines


def silent(line: str) -> None:
    pass


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


# -- batches


def test_luma_is_pillows():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 50, 60, 3), np.uint8)
    y = luma(torch.from_numpy(rgb).permute(0, 3, 1, 2).float())
    assert np.array_equal(y[:, 0].numpy(), luma_of(rgb))


def test_crops_are_windows_of_the_photos_mirrored_and_turned(tmp_path):
    y, x = np.mgrid[:40, :50]
    pixels = np.stack([y, x, np.zeros_like(x)], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo000.png")
    Image.fromarray(np.full((36, 36, 3), 200, np.uint8)).save(tmp_path / "photo001.png")
    pile, rng = PhotoPile([tmp_path], 16, CPU, validation=False), np.random.default_rng(0)
    kinds, corners, flat = set(), set(), 0
    for _ in range(250):
        for crop in pile.crops(3, 16, rng):
            assert crop.shape == (3, 16, 16)
            if crop[0, 0, 0] == 200:
                assert (crop == 200).all()
                flat += 1
                continue
            turned = bool(crop[0, 0, 0] == crop[0, 1, 0])
            window = crop.transpose(1, 2) if turned else crop
            mirrored = bool(window[1, 0, 0] > window[1, 0, 1])
            window = window.flip(2) if mirrored else window
            top, left = int(window[0, 0, 0]), int(window[1, 0, 0])
            assert np.array_equal(window.permute(1, 2, 0), pixels[top : top + 16, left : left + 16])
            kinds.add((turned, mirrored))
            corners.add((top, left))
    assert 300 < flat < 450
    assert len(kinds) == 4
    assert {t for t, _ in corners} == set(range(25))
    assert {s for _, s in corners} == set(range(35))


def test_shrunk_crops_are_whole_numbers_of_finer_grain(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (120, 120, 3), np.uint8)).save(tmp_path / "photo000.png")
    pile = PhotoPile([tmp_path], 32, CPU, validation=False)
    plain, shrunk = pile.crops(8, 32, rng), torch.cat([pile.shrunk(2, 32, 0.4, rng) for _ in range(12)])
    assert shrunk.shape == (24, 3, 32, 32)
    assert torch.equal(shrunk, shrunk.round())
    assert shrunk.min() >= 0
    assert shrunk.max() <= 255
    assert shrunk.std() < 0.85 * plain.std()  # means of several pixels each


def test_gray_small_and_held_out_photos_are_not_trained_on(tmp_path):
    with pytest.raises(ValueError, match="no colour photo"):
        PhotoPile([tmp_path], 32, CPU, validation=False)
    Image.fromarray(photo(0)[..., 0]).save(tmp_path / "photo000.png")
    Image.fromarray(photo(1, 31, 200)).save(tmp_path / "photo001.png")
    Image.fromarray(photo(2)).save(tmp_path / HELD_OUT)
    with pytest.raises(ValueError, match="32x32"):
        PhotoPile([tmp_path], 32, CPU, validation=False)
    assert len(PhotoPile([tmp_path], 32, CPU, validation=True).sizes) == 1
    Image.fromarray(photo(3)).save(tmp_path / "photo002.png")
    assert len(PhotoPile([tmp_path], 32, CPU, validation=False).sizes) == 1


def test_a_step_sees_crops_of_every_pile(photos, tmp_path):
    Image.fromarray(np.full((80, 80, 3), 9, np.uint8)).save(tmp_path / "photo000.png")
    piles = [PhotoPile([f], 32, CPU, validation=False) for f in (*photos, tmp_path)]
    sample = Sampler(piles, replace(TINY, batch=3, groups=4))
    crops, wide = sample(np.random.default_rng(0))
    assert crops.shape == (12, 3, 32, 32)
    assert wide.shape == (6, 3, 48, 48)
    flat = [bool((crop == 9).all()) for crop in crops]
    assert flat == [False] * 3 + [True] * 3 + [False] * 3 + [True] * 3
    again, _ = sample(np.random.default_rng(0))
    assert torch.equal(crops, again)
    assert not torch.equal(crops, sample(np.random.default_rng(1))[0])


def test_losses_are_bits_of_all_levels(photos):
    torch.manual_seed(0)
    model = ColourModel(TINY.widths)
    crops, wide = Sampler([PhotoPile(photos, 32, CPU, validation=False)], TINY)(np.random.default_rng(0))
    with torch.no_grad():
        found = losses(model, crops, wide, TINY)
        fine = model.code_lengths(crops, luma(crops), 0, 2)
        top = model.code_lengths(wide, luma(wide), 3, 3)
        root = model.root_bits(wide[:, :, 0, 0], luma(wide)[:, 0, 0, 0])
    expected = [float(level.sum(0).mean()) for level in (*fine, *top)] + [float(root.sum(0).mean())]
    assert found.shape == (TINY.wide_levels + 1,)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


# -- runs


def test_the_learning_rate_warms_up_and_comes_down():
    config = replace(TINY, learning_rate=1.0, warmup=100)
    warm = [learning_rate(config, step, 0.0) for step in range(200)]
    assert warm[0] == pytest.approx(0.01)
    assert (np.diff(warm[:100]) > 0).all()
    assert warm[99:] == pytest.approx([1.0] * 101)
    rates = [learning_rate(config, 1000, share) for share in np.linspace(0, 1, 101)]
    assert (np.diff(rates) < 0).all()
    assert rates[50] == pytest.approx(0.505)
    assert rates[-1] == pytest.approx(0.01)


@pytest.mark.slow
def test_training_shortens_the_code(photos, tmp_path):
    config, reports = replace(TINY, minutes=24 * STEP / 60, learning_rate=5e-2), []
    train(photos, tmp_path, config, report=reports.append)
    assert sum("bits per pixel" in line for line in reports) == 8
    rows = np.array(list(csv.reader((tmp_path / "log.csv").read_text().splitlines())), float)
    assert rows[:, 0].tolist() == list(range(3, 25, 3))
    assert rows.shape[1] == 2 + TINY.wide_levels + 1
    first, last = rows[0, 2:-1], rows[-1, 2:-1]  # bits per pixel of every level; the root sees but one pixel a crop
    assert (last < first - 1).all()


def test_a_run_reports_and_logs(uninterrupted):
    run, lines = uninterrupted
    rows = list(csv.reader((run / "log.csv").read_text().splitlines()))
    assert [row[0] for row in rows] == ["3", "6"]
    assert [row[1] for row in rows] == ["50", "125"]
    assert re.fullmatch(r"\d+ photos, [\d.]+ minutes on cpu, of which 0.0 are over", lines[0])
    for line, row in zip(lines[1:], rows, strict=False):
        assert f", step {row[0]}: {float(row[2]):.2f} bits per pixel at the finest level; " in line
    assert lines[3] == f"8 steps in {STEPS * STEP:.0f} s"
    assert len(lines) == 4 + 2  # one pile, as it is and shrunk
    assert all(0 < float(bits) < 60 for line in lines[4:] for bits in line.removeprefix("held out: ").split())
    assert sorted(p.name for p in run.iterdir()) == ["last.safetensors", "log.csv"]


def test_a_checkpoint_says_what_it_is(uninterrupted, photos):
    tensors, facts = load_checkpoint(uninterrupted[0] / "last.safetensors")
    assert facts["step"] == STEPS
    assert facts["seconds"] == STEPS * STEP
    assert (facts["stegcinn"], facts["torch"]) == (version("stegcinn"), torch.__version__)
    assert facts["config"]["widths"] == [[6, 5, 4]] * 3
    assert ColoursConfig(**{**facts["config"], "widths": TINY.widths}) == TINY
    assert facts["photos"] == [PhotoPile(photos, 32, CPU, validation=False).manifest]
    model = model_of(uninterrupted[0] / "last.safetensors")
    assert_same(model.state_dict(), {k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    assert {f"adam.exp_avg.{name}" for name, _ in model.named_parameters()} <= tensors.keys()


@pytest.mark.slow
@pytest.mark.usefixtures("_unvalidated")
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(photos, uninterrupted, tmp_path):
    train(photos, tmp_path, TINY, report=silent, stop_after=(3 * STEP - 1) / 60)
    stopped, facts = load_checkpoint(tmp_path / "last.safetensors")
    assert (facts["step"], facts["seconds"]) == (3, 3 * STEP)
    train(photos, tmp_path, TINY, report=silent)
    resumed, facts = load_checkpoint(tmp_path / "last.safetensors")
    assert (facts["step"], facts["seconds"]) == (STEPS, STEPS * STEP)
    assert any(not torch.equal(stopped[k], v) for k, v in resumed.items())
    assert_same(resumed, load_checkpoint(uninterrupted[0] / "last.safetensors")[0])


@pytest.mark.usefixtures("_unvalidated")
def test_a_finished_run_is_not_trained_on(photos, uninterrupted, tmp_path, monkeypatch):
    before = (uninterrupted[0] / "last.safetensors").read_bytes()
    (tmp_path / "last.safetensors").write_bytes(before)
    monkeypatch.setattr(exact, "version", lambda name: "9.9")
    train(photos, tmp_path, TINY, report=silent)
    assert (tmp_path / "last.safetensors").read_bytes() == before


@pytest.mark.usefixtures("_unvalidated")
def test_a_run_is_not_gone_on_with_under_other_conditions(photos, uninterrupted, tmp_path):
    before = (uninterrupted[0] / "last.safetensors").read_bytes()
    (tmp_path / "last.safetensors").write_bytes(before)
    others = [tmp_path / "others"]
    others[0].mkdir()
    for name in ("photo003.png", HELD_OUT):
        Image.fromarray(photo(9)).save(others[0] / name)
    longer = {"minutes": 2 * TINY.minutes}
    for folders, changes in (
        (photos, {"seed": 1}), (photos, {"widths": ((6, 5, 5),) * 3}), (others, {}), (photos * 2, {}),
    ):  # fmt: skip
        with pytest.raises(UsageError, match="another configuration or on other photos"):
            train(folders, tmp_path, replace(TINY, **longer, **changes), report=silent)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    train(photos, tmp_path, replace(TINY, **longer), report=silent)
    assert load_checkpoint(tmp_path / "last.safetensors")[1]["step"] == 2 * STEPS


@pytest.mark.usefixtures("_unvalidated")
def test_the_seed_counts(photos, uninterrupted, tmp_path):
    train(photos, tmp_path, replace(TINY, seed=1, minutes=STEP / 60), report=silent)
    other = model_of(tmp_path / "last.safetensors").state_dict()
    ours = model_of(uninterrupted[0] / "last.safetensors").state_dict()
    assert not torch.equal(other["nets.0.0.layers.0.weight"], ours["nets.0.0.layers.0.weight"])


@pytest.mark.usefixtures("_unvalidated")
def test_steps_are_taken_as_configured(photos, tmp_path, monkeypatch):
    config = replace(TINY, clip_norm=0.01)
    rates, norms, real = [], [], torch.optim.Adam.step

    def step(self):
        (group,) = self.param_groups
        rates.append(group["lr"])
        norms.append(torch.stack([p.grad.norm() for p in group["params"]]).norm().item())
        return real(self)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    train(photos, tmp_path, config, report=silent)
    assert rates == [learning_rate(config, i, i / STEPS) for i in range(STEPS)]
    assert norms == pytest.approx([0.01] * STEPS, rel=1e-3)


def fails_at(step: int, bad: float, monkeypatch) -> None:
    """Let the loss of one step be `bad`."""
    real, calls = exact.losses, []

    def poisoned(*args):
        calls.append(1)
        return real(*args) * (bad if len(calls) == step else 1)

    monkeypatch.setattr(exact, "losses", poisoned)


@pytest.mark.slow
@pytest.mark.usefixtures("_unvalidated")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    photos, uninterrupted, tmp_path, monkeypatch, bad
):
    with monkeypatch.context() as patch:
        fails_at(5, bad, patch)
        with pytest.raises(RuntimeError, match=r"step 6.*last\.safetensors"):
            train(photos, tmp_path, TINY, report=silent)
    kept, facts = load_checkpoint(tmp_path / "last.safetensors")
    assert facts["step"] == 3
    assert all(torch.isfinite(v).all() for v in kept.values())
    # and from there the run goes on as if nothing had happened
    train(photos, tmp_path, TINY, report=silent)
    assert_same(load_checkpoint(tmp_path / "last.safetensors")[0],
                load_checkpoint(uninterrupted[0] / "last.safetensors")[0])  # fmt: skip


@pytest.mark.usefixtures("_unvalidated")
def test_a_loss_that_is_not_finite_in_the_end_keeps_the_checkpoint_too(photos, tmp_path, monkeypatch):
    fails_at(8, math.nan, monkeypatch)
    with pytest.raises(RuntimeError, match=r"step 8.*last\.safetensors"):
        train(photos, tmp_path, TINY, report=silent)
    kept, facts = load_checkpoint(tmp_path / "last.safetensors")
    assert facts["step"] == 6
    assert all(torch.isfinite(v).all() for v in kept.values())


# -- the release


def test_a_run_becomes_a_release_that_carries_payloads(uninterrupted, tmp_path, photos, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run, _ = uninterrupted
    out = tmp_path / "tiny-1"
    release(run, out, [])
    codec, key = ExactCodec(Runtime(Release(out))), keys.derive(None, bytes(32))
    codec.ready()
    assert codec.known_answer() == Release(out).config["known_answer"]
    assert Release(out).config["training"]["step"] == STEPS
    payload = Payload(np.random.default_rng(0).bytes(150))
    host, size = Photo(photo(5)), partial(stream_size, keys=key)
    for colors in COLORS:
        container = codec.embed(host, seal(pack(payload), key), key, Wish(colors), base.silent).carrier
        assert unseal(codec.extract(container, key, size).stream, key) == payload
    card = (out / "README.md").read_text()
    assert card.startswith("# tiny-1\n")
    assert "{" not in card
    assert "| steps | 8 of 2 crops of 32x32 and 1 of 48x48 |" in card
    assert "200 s" in card
    assert f"stegcinn {version('stegcinn')}, torch" in card


def test_a_release_is_whole_and_new_or_not_made(uninterrupted, tmp_path, monkeypatch):
    run, _ = uninterrupted
    out = tmp_path / "tiny-1"
    with monkeypatch.context() as patch:
        patch.setattr(release_exact, "_card", None)
        with pytest.raises(TypeError):
            release(run, out, [])
    assert list(tmp_path.iterdir()) == []
    out.mkdir()
    (out / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="already exists"):
        release(run, out, [])
    assert [path.name for path in out.iterdir()] == ["config.json"]


def test_the_card_names_the_version_that_trained(uninterrupted, tmp_path, monkeypatch):
    _, facts = load_checkpoint(uninterrupted[0] / "last.safetensors")
    model = model_of(uninterrupted[0] / "last.safetensors")
    assert "stegcinn 0.0.7, torch" in release_exact._card("tiny-1", model, facts | {"stegcinn": "0.0.7"}, [])


def test_the_card_tells_code_lengths(uninterrupted, tmp_path, photos):
    folder = tmp_path / "some-photos"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(photo(i, 69, 75)).save(folder / f"{i}.png")
    run, _ = uninterrupted
    release(run, tmp_path / "out", [folder])
    count, *bits = code_lengths(model_of(run / "last.safetensors"), folder)
    assert count == 2
    row = "| some-photos | 2 | " + " | ".join(f"{b:.2f}" for b in bits) + " |\n"
    assert row in (tmp_path / "out" / "README.md").read_text()
    levels, both = bits[:3], bits[3]
    # of 16 pixels, level 0 settles 12 and level 1 three
    assert both == pytest.approx(12 / 16 * levels[0] + 3 / 16 * levels[1], rel=1e-4)
