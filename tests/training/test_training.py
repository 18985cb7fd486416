"""Photos for training: which are taken, how they are cut, and the batches that become of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.cinn.chroma import to_chroma
from stegcinn.codecs.cinn.pyramid import CHROMA_UNIT, CONDITION, DETAILS, split
from stegcinn.errors import ImageError, StegcinnWarning, UsageError
from stegcinn.training import data
from stegcinn.training.cinn.trainables import _cut_finest, negative_log_likelihood
from stegcinn.training.data import Batch, PhotoSet, draw_noise, list_photos, read_host, to_batch

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


@pytest.mark.parametrize(("count", "held_out"), [(7, 0), (8, 1), (15, 1), (40, 4), (60, 4)])
def test_a_small_folder_has_photos_to_measure_on(tmp_path, count, held_out):
    for i in range(count):
        (tmp_path / f"dune{i}.png").touch()
    train, held = (set(list_photos(tmp_path, validation=v)) for v in (False, True))
    assert (len(held), len(train)) == (held_out, count - held_out)
    assert not held & train


def test_only_images_are_listed(tmp_path):
    for name in ("photo0.JPG", "photo1.jpeg", "photo2.webp", "photo3.txt", "photo4", "photo5.png.part"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    listed = list_photos(tmp_path, validation=False) + list_photos(tmp_path, validation=True)
    assert sorted(p.name for p in listed) == ["photo0.JPG", "photo1.jpeg", "photo2.webp"]


@pytest.mark.parametrize("year", ["2014", "2017"])
def test_coco_is_split_as_coco_is(tmp_path, year):
    for name in (f"train{year}/b.jpg", f"train{year}/a.jpg", f"val{year}/c.jpg", "annotations/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [p.name for p in list_photos(tmp_path, validation=False)] == ["a.jpg", "b.jpg"]
    assert [p.name for p in list_photos(tmp_path, validation=True)] == ["c.jpg"]


def test_a_limit_takes_the_same_photos_wherever_they_are(tmp_path):
    for i in range(100):
        (tmp_path / f"photo{i:03}.png").touch()
    some = list_photos(tmp_path, validation=False, limit=10)
    more = list_photos(tmp_path, validation=False, limit=20)
    assert len(some) == 10
    assert some == sorted(some)
    assert set(some) < set(more) < set(list_photos(tmp_path, validation=False))
    assert [p.name for p in some] != [f"photo{i:03}.png" for i in range(10)]


# -- hosts


def test_bossbase_hosts_are_gray(tmp_path):
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    path = tmp_path / "1.pgm"
    Image.fromarray(gray).save(path)
    host = read_host(path, 8)
    np.testing.assert_array_equal(host, np.repeat(gray[..., None], 3, axis=2))
    assert read_host(path, 4).shape == (4, 4, 3)
    assert path in list_photos(tmp_path, validation=False) + list_photos(tmp_path, validation=True)
    with pytest.raises(UsageError, match="no colour photo"):  # they teach no colour
        PhotoSet([(tmp_path, 1)], crop=8)


def test_hosts_of_16_bits_keep_their_upper_ones(tmp_path):
    levels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    Image.fromarray(levels).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_host(tmp_path / "deep.png", 8)[..., 0], levels / 256, atol=1)


# -- crops


def test_crops_are_windows_of_the_photos_half_of_them_mirrored(tmp_path):
    y, x = np.mgrid[:40, :50]
    pixels = np.stack([y, x, np.zeros_like(x)], axis=-1).astype(np.uint8)
    save(tmp_path, "photo0.png", pixels)
    photos = PhotoSet([(tmp_path, 1)], crop=16)
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
    values = PhotoSet(folders, crop=32).crops(1000, np.random.default_rng(0))[:, 0, 0, 0]
    assert 700 < (values == 10).sum() < 800
    assert (values == 30).sum() == 0


def test_held_out_photos_are_not_trained_on(tmp_path):
    save(tmp_path, HELD_OUT[0], np.full((32, 32, 3), 200, np.uint8))
    save(tmp_path, "photo000.png", np.full((32, 32, 3), 10, np.uint8))
    for validation, value in ((False, 10), (True, 200)):
        photos = PhotoSet([(tmp_path, 1)], crop=32, validation=validation)
        (group,) = photos.groups
        assert [photos.read(p)[0, 0, 0] for p in group] == [value]


def test_a_folder_without_a_large_enough_photo_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no colour photo"):
        PhotoSet([(tmp_path, 1)], crop=32)
    save(tmp_path, "photo0.png", photo(0, 31, 200))
    with pytest.raises(UsageError, match="32x32"):
        PhotoSet([(tmp_path, 1)], crop=32)


def test_the_papers_protocol_resizes_whole_photos(tmp_path):
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    save(tmp_path, "photo0.png", ramp)
    crops = PhotoSet([(tmp_path, 1)], crop=16, protocol="resize").crops(8, np.random.default_rng(0))
    assert crops.shape == (8, 16, 16, 3)
    ends = np.sort(crops[:, 8, [0, -1], 0].astype(int), axis=1)
    assert (ends[:, 0] < 16).all()
    assert (ends[:, 1] > 239).all()  # both ends of the photo, in every crop


def test_photos_beyond_the_memory_are_read_again(photos, monkeypatch):
    whole = PhotoSet(photos, crop=32).crops(20, np.random.default_rng(0))
    monkeypatch.setattr(data, "MEMORY", 48 * 64 * 3)
    poor = PhotoSet(photos, crop=32)
    np.testing.assert_array_equal(poor.crops(20, np.random.default_rng(0)), whole)
    assert len(poor._kept) == 1


def test_damaged_photos_are_passed_over_and_named(photos, tmp_path):
    """Their first lines are whole, so nothing shows before their pixels are asked for."""
    for value, name in ((10, "photo000.png"), (200, "photo001.png")):
        save(tmp_path, name, np.full((32, 32, 3), value, np.uint8))
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    cut = save(tmp_path, "photo002.png", noise)
    cut.write_bytes(cut.read_bytes()[:2000])
    for protocol in ("crop", "resize"):
        some = PhotoSet([(tmp_path, 1)], crop=32, protocol=protocol)
        assert cut in some.groups[0]
        with pytest.warns(StegcinnWarning, match=r"photo002\.png cannot be read .*; passed over") as warned:
            crops = some.crops(60, np.random.default_rng(0))
        assert len(warned) == 1
        assert set(crops.ravel().tolist()) == {10, 200}
        with pytest.warns(StegcinnWarning):  # a resumed run draws the same
            again = PhotoSet([(tmp_path, 1)], crop=32, protocol=protocol).crops(60, np.random.default_rng(0))
        np.testing.assert_array_equal(again, crops)
    for name in ("photo000.png", "photo001.png"):
        (tmp_path / name).unlink()
    none = PhotoSet([(tmp_path, 1)], crop=32)
    with pytest.warns(StegcinnWarning), pytest.raises(ImageError, match=r"photo002\.png"):
        none.crops(1, np.random.default_rng(0))
    with pytest.raises(ImageError, match=r"photo002\.png"):
        read_host(cut, 16)
    cut.write_bytes(b"no image at all")
    with pytest.raises(ImageError, match=r"photo002\.png"):
        PhotoSet([(tmp_path, 1)], crop=32)


def test_the_manifest_tells_which_photos_they_were(photos, tmp_path):
    lines = PhotoSet(photos, crop=32).manifest.splitlines()
    assert [line.split()[0] for line in lines] == [f"photo{i}.png" for i in range(4)]
    assert PhotoSet(photos, crop=32, limit=2).manifest != PhotoSet(photos, crop=32).manifest


# -- batches


def test_a_batch_has_every_level(photos):
    rng = np.random.default_rng(0)
    batch = to_batch(PhotoSet(photos, crop=32).crops(5, rng), draw_noise(5, (0.5, 3), rng), 3, rng)
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
    y = luma_of(rgb).astype(np.float64)
    chroma = np.moveaxis(to_chroma(y, rgb[..., 0].astype(float), rgb[..., 2].astype(float)), 0, 1)
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


def test_noise_is_drawn_per_image_over_its_whole_range():
    log_sigma = np.log(draw_noise(200, (0.5, 3.0), np.random.default_rng(0))).ravel()
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
