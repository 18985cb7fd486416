"""Training: photos become the batches they should, a run learns, and it can be stopped and taken up again."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from stegcinn import colour
from stegcinn.model.cinn import CINN, CINNConfig
from stegcinn.pyramid import CHROMA_UNIT, CONDITION, DETAILS, split
from stegcinn.training import stage1
from stegcinn.training.data import Batch, PhotoSet, list_photos, to_batch
from stegcinn.training.stage1 import (
    Stage1Config,
    _cut_finest,
    learning_rate,
    load_checkpoint,
    negative_log_likelihood,
    train,
)

TINY = Stage1Config(
    steps=8,
    batch=2,
    crop=32,
    levels=3,
    fine_crop=16,
    learning_rate=1e-2,
    warmup=2,
    model=CINNConfig(couplings=(1, 1), features=(4, 4), hidden=(4, 4)),
)

HELD_OUT = [
    "photo024.png",
    "photo051.png",
    "photo052.png",
    "photo059.png",
    "photo071.png",
    "photo079.png",
    "photo091.png",
]  # of photo000.png to photo099.png


pytestmark = pytest.mark.usefixtures("one_thread")


def photo(seed, height=48, width=64):
    """Soft stripes whose colour follows their brightness."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 16
    gray = 128 + 80 * np.sin(x * rng.uniform(1, 3) + y * rng.uniform(1, 3) + rng.uniform(0, 6))
    rgb = np.stack([gray + 30, gray, 255 - gray], axis=-1) + rng.normal(0, 3, (height, width, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8)


def save(folder, name, pixels):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(4):
        save(folder, f"photo{i}.png", photo(i))
    return [(folder, 1.0)]


# -- which photos


def test_the_split_is_fixed_and_disjoint(tmp_path):
    names = [f"photo{i:03}.png" for i in range(100)]
    for name in names:
        (tmp_path / name).touch()
    train_names, held_out = ([p.name for p in list_photos(tmp_path, validation=v)] for v in (False, True))
    assert sorted(train_names + held_out) == names
    assert train_names == sorted(train_names)
    # pinned: another split would validate released weights on photos that they were trained on
    assert held_out == HELD_OUT


def test_the_split_depends_on_the_name_alone(tmp_path):
    for folder in ("a", "b/c"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(100):
            (tmp_path / folder / f"photo{i:03}.png").write_bytes(folder.encode())
    held_out = list_photos(tmp_path, validation=True)
    assert [p.name for p in held_out] == HELD_OUT * 2


def test_only_images_are_listed(tmp_path):
    for name in ("photo0.JPG", "photo1.jpeg", "photo2.webp", "photo3.txt", "photo4", "photo5.png.part"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    listed = list_photos(tmp_path, validation=False) + list_photos(tmp_path, validation=True)
    assert sorted(p.name for p in listed) == ["photo0.JPG", "photo1.jpeg", "photo2.webp"]


# -- crops


def test_crops_are_windows_of_the_photos_half_of_them_mirrored(tmp_path):
    y, x = np.mgrid[:40, :50]
    pixels = np.stack([y, x, np.zeros_like(x)], axis=-1).astype(np.uint8)
    save(tmp_path, "photo0.png", pixels)
    photos = PhotoSet([(tmp_path, 1)], crop=16, levels=2)
    crops = photos.crops(300, np.random.default_rng(0))
    assert crops.shape == (300, 16, 16, 3)
    corners = set()
    for crop in crops:
        mirrored = crop[0, 0, 1] > crop[0, 1, 1]
        patch = crop[:, ::-1] if mirrored else crop
        top, left = (int(c) for c in patch[0, 0, :2])
        np.testing.assert_array_equal(patch, pixels[top : top + 16, left : left + 16])
        corners.add((mirrored, top, left))
    assert 100 < sum(c[0, 0, 1] > c[0, 1, 1] for c in crops) < 200
    assert {t for _, t, _ in corners} == set(range(25))
    assert {s for _, _, s in corners} == set(range(35))
    np.testing.assert_array_equal(crops, photos.crops(300, np.random.default_rng(0)))


def test_folders_are_drawn_by_weight(tmp_path):
    for value in (10, 20, 30):
        save(tmp_path / str(value), "photo0.png", np.full((32, 32, 3), value, np.uint8))
    folders = [(tmp_path / "10", 3.0), (tmp_path / "20", 1.0), (tmp_path / "30", 0.0)]
    values = PhotoSet(folders, crop=32, levels=2).crops(1000, np.random.default_rng(0))[:, 0, 0, 0]
    assert 700 < (values == 10).sum() < 800
    assert (values == 30).sum() == 0


def test_held_out_photos_are_not_trained_on(tmp_path):
    save(tmp_path, HELD_OUT[0], np.full((32, 32, 3), 200, np.uint8))
    save(tmp_path, "photo000.png", np.full((32, 32, 3), 10, np.uint8))
    for validation, value in ((False, 10), (True, 200)):
        (group,) = PhotoSet([(tmp_path, 1)], crop=32, levels=2, validation=validation).groups
        assert [p[0, 0, 0] for p in group] == [value]


def test_a_folder_without_a_large_enough_photo_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no colour photo"):
        PhotoSet([(tmp_path, 1)], crop=32, levels=2)
    save(tmp_path, "photo0.png", photo(0, 31, 200))
    with pytest.raises(ValueError, match="32x32"):
        PhotoSet([(tmp_path, 1)], crop=32, levels=2)


# -- batches


def test_a_batch_has_every_level(photos):
    batch = PhotoSet(photos, crop=32, levels=3).batch(5, (0.5, 3), np.random.default_rng(0))
    for level, (details, condition) in enumerate(zip(batch.details, batch.conditions, strict=True), start=1):
        assert details.shape == (5, DETAILS, 32 >> level, 32 >> level)
        assert condition.shape == (5, CONDITION, 32 >> level, 32 >> level)
        assert details.dtype == condition.dtype == torch.float32
        assert torch.isfinite(details).all()
        assert torch.isfinite(condition).all()
    assert level == 3


def test_a_batch_is_the_pyramid_of_the_photos_chroma():
    rgb = np.stack([photo(i, 32, 32) for i in range(2)])
    tiny = np.full((2, 1, 1, 1), 1e-6, np.float32)

    class Halves:
        """A generator whose uniform numbers all lie in the middle: no dequantisation."""

        def random(self, shape, dtype):
            return np.full(shape, 0.5, dtype)

        def standard_normal(self, shape, dtype):
            return np.zeros(shape, dtype)

    batch = to_batch(rgb, tiny, 2, Halves())
    y = colour.luma(rgb).astype(np.float64)
    chroma = np.moveaxis(colour.to_chroma(y, rgb[..., 0].astype(float), rgb[..., 2].astype(float)), 0, 1)
    mean, details = split(chroma)
    np.testing.assert_allclose(batch.details[0], details, atol=0.01)
    np.testing.assert_allclose(batch.conditions[0][:, 7:9] * CHROMA_UNIT, mean, atol=0.01)
    mean, details = split(mean)
    np.testing.assert_allclose(batch.details[1], details, atol=0.01)
    np.testing.assert_allclose(batch.conditions[1][:, 7:9] * CHROMA_UNIT, mean, atol=0.01)


def test_the_noise_of_each_image_is_told():
    # On a flat gray photo chroma is the noise itself: its deviation is what the last condition channel says.
    sigma = np.array([0.5, 1, 3], np.float32).reshape(3, 1, 1, 1)
    batch = to_batch(np.full((3, 128, 128, 3), 128, np.uint8), sigma, 2, np.random.default_rng(0))
    for level, (details, condition) in enumerate(zip(batch.details, batch.conditions, strict=True), start=1):
        told = condition[:, 9].exp().numpy()
        for image in range(3):
            assert np.ptp(told[image]) == 0
            assert told[image, 0, 0] == pytest.approx(sigma[image].item() / 2 ** (level - 1), rel=1e-4)
            # rounding's own twelfth comes on top
            expected = math.sqrt(sigma[image].item() ** 2 + 1 / 12) / 2 ** (level - 1)
            assert details[image].std().item() == pytest.approx(expected, rel=0.05)


def test_noise_is_drawn_per_image_over_its_whole_range(photos):
    batch = PhotoSet(photos, crop=32, levels=2).batch(200, (0.5, 3.0), np.random.default_rng(0))
    log_sigma = batch.conditions[0][:, 9, 0, 0].numpy()
    assert np.log(0.5) <= log_sigma.min() < np.log(0.6)
    assert np.log(2.5) < log_sigma.max() <= np.log(3.0) + 1e-6
    assert log_sigma.mean() == pytest.approx(np.log(1.5) / 2, abs=0.15)  # log-uniform


# -- the loss


def test_the_loss_of_a_normal_is_its_entropy():
    torch.manual_seed(0)
    z = torch.randn(8, DETAILS, 64, 64)
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    assert negative_log_likelihood(z, torch.zeros(8)).item() == pytest.approx(entropy, abs=0.01)
    # x = 4 z has log |dz/dx| = -log 4 in each dimension, and so much more entropy
    logdet = torch.full((8,), -z[0].numel() * math.log(4))
    assert negative_log_likelihood(z, logdet).item() == pytest.approx(entropy + math.log(4), abs=0.01)


def test_the_learning_rate_warms_up_and_comes_down():
    config = replace(TINY, steps=1000, warmup=100, learning_rate=1.0)
    rates = [learning_rate(config, step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert np.argmax(rates) == pytest.approx(99, abs=1)
    assert max(rates) == pytest.approx(1, abs=0.03)
    assert (np.diff(rates[100:]) < 0).all()
    assert rates[1000] == pytest.approx(0.02)


def test_the_finest_level_is_cut_to_one_window_of_details_and_conditions():
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    places = torch.stack([rows, columns])[None].expand(2, 2, 16, 16)
    coarse = torch.zeros(2, DETAILS, 8, 8)
    batch, rng, corners = Batch([places, coarse], [places + 100, coarse]), np.random.default_rng(0), set()
    for _ in range(200):
        cut = _cut_finest(batch, 12, rng)
        assert cut.details[0].shape == (2, 2, 12, 12)
        assert torch.equal(cut.conditions[0], cut.details[0] + 100)
        assert cut.details[1] is coarse
        assert cut.conditions[1] is coarse
        corners.add(tuple(cut.details[0][0, :, 0, 0].tolist()))
    assert len(corners) == 25


# -- runs


class StoppedError(Exception):
    pass


def stop_at(at):
    def report(step, losses, seconds):
        if step == at:
            raise StoppedError

    return report


def weights(out):
    return load_file(out / "checkpoint.safetensors")


def log(out):
    """Rows of the log without the clock: step and losses."""
    rows = csv.reader((out / "log.csv").read_text().splitlines())
    return [[row[0], *row[2:]] for row in rows]


def gradient(parameters):
    """The norm of all gradients."""
    return torch.stack([p.grad.norm() for p in parameters]).norm().item()


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.fixture(scope="module")
def uninterrupted(photos, tmp_path_factory, one_thread):
    out = tmp_path_factory.mktemp("run")
    model = train(photos, out, TINY, save_every=3)
    return model, out


def test_training_lowers_the_loss(photos, tmp_path):
    reported = []
    config = replace(TINY, steps=60, learning_rate=2e-2)
    train(photos, tmp_path, config, save_every=10, report=lambda *args: reported.append(args))
    assert [step for step, _, _ in reported] == [10, 20, 30, 40, 50, 60]
    first, last = np.array(reported[0][1]), np.array(reported[-1][1])
    assert first.shape == (3,)
    assert (last < first - 0.3).all()  # bits per detail, at every level


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(photos, uninterrupted, tmp_path):
    model, out = uninterrupted
    with pytest.raises(StoppedError):
        train(photos, tmp_path, TINY, save_every=3, report=stop_at(3))
    before = weights(tmp_path)
    resumed = train(photos, tmp_path, TINY, save_every=3)
    assert any(not torch.equal(before[k], v) for k, v in weights(tmp_path).items())
    assert_same(weights(tmp_path), weights(out))
    assert_same(resumed.state_dict(), model.state_dict())
    assert not resumed.training
    assert [row[0] for row in log(tmp_path)] == ["3", "6", "8"]
    assert log(tmp_path) == log(out)


def test_a_finished_run_is_not_trained_on(photos, uninterrupted):
    model, out = uninterrupted
    again = train(photos, out, TINY, save_every=3, report=stop_at(8))
    assert_same(again.state_dict(), model.state_dict())


def test_a_run_can_start_from_the_weights_of_another(photos, uninterrupted, tmp_path):
    model, out = uninterrupted
    start = out / "checkpoint.safetensors"
    still = replace(TINY, learning_rate=0.0, seed=1, steps=2)  # leaves the weights where they are
    assert_same(train(photos, tmp_path / "a", still, start=start).state_dict(), model.state_dict())
    assert [row[0] for row in log(tmp_path / "a")] == ["2"]
    # once it has a checkpoint of its own, the run goes on from there
    scratch = train(photos, tmp_path / "b", still)
    resumed = train(photos, tmp_path / "b", replace(still, steps=4), start=start)
    assert_same(resumed.state_dict(), scratch.state_dict())


def test_the_seed_counts(photos, uninterrupted, tmp_path):
    other = train(photos, tmp_path, replace(TINY, seed=1), save_every=100)
    assert not torch.equal(
        other.state_dict()["flows.0.couplings.0.from_x.weight"],
        uninterrupted[0].state_dict()["flows.0.couplings.0.from_x.weight"],
    )


def test_a_checkpoint_says_what_it_is(uninterrupted):
    model, out = uninterrupted
    with safe_open(out / "checkpoint.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "8"
        assert '"crop": 32' in file.metadata()["config"]
    twin = CINN(TINY.model)
    assert load_checkpoint(out / "checkpoint.safetensors", twin) == 8
    assert_same(twin.state_dict(), model.state_dict())
    assert sorted(p.name for p in out.iterdir()) == ["checkpoint.safetensors", "log.csv"]


def test_steps_are_taken_as_configured(photos, tmp_path, monkeypatch):
    config = replace(TINY, clip_norm=0.01)
    rates, norms, shapes = [], [], []
    real_step, real_losses = torch.optim.Adam.step, stage1.level_losses

    def step(self):
        (group,) = self.param_groups
        rates.append(group["lr"])
        norms.append(gradient(group["params"]))
        return real_step(self)

    def level_losses(model, batch):
        shapes.append([tuple(d.shape[-2:]) for d in batch.details])
        return real_losses(model, batch)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    monkeypatch.setattr(stage1, "level_losses", level_losses)
    train(photos, tmp_path, config)
    assert rates == [learning_rate(config, i) for i in range(config.steps)]
    assert norms == pytest.approx([0.01] * config.steps, rel=1e-3)
    assert shapes == [[(8, 8), (8, 8), (4, 4)]] * config.steps


def test_shared_levels_have_their_weight(photos, tmp_path, monkeypatch):
    # Only the level beyond the last flow gives gradients: they are proportional to its weight.
    norms = []
    real_losses = stage1.level_losses
    monkeypatch.setattr(
        stage1, "level_losses", lambda *args: [*(0 * loss for loss in real_losses(*args)[:2]), real_losses(*args)[2]]
    )

    def measure(parameters, _):
        norms.append(gradient(parameters))
        return torch.tensor(norms[-1])

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", measure)
    for weight in (0.5, 1.0):
        train(photos, tmp_path / str(weight), replace(TINY, steps=1, shared_weight=weight))
    assert norms[0] > 0
    assert norms[1] == pytest.approx(2 * norms[0], rel=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    photos, uninterrupted, tmp_path, monkeypatch, bad
):
    real, calls = stage1.level_losses, []

    def level_losses(model, batch):
        calls.append(1)
        losses = real(model, batch)
        return [losses[0] * bad, *losses[1:]] if len(calls) == 6 else losses

    monkeypatch.setattr(stage1, "level_losses", level_losses)
    with pytest.raises(FloatingPointError, match=r"step 5.*checkpoint\.safetensors"):
        train(photos, tmp_path, TINY, save_every=3)
    kept = weights(tmp_path)
    assert all(torch.isfinite(v).all() for v in kept.values())
    with safe_open(tmp_path / "checkpoint.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "3"
    # and from there the run goes on as if nothing had happened
    monkeypatch.undo()
    train(photos, tmp_path, TINY, save_every=3)
    assert_same(weights(tmp_path), weights(uninterrupted[1]))
