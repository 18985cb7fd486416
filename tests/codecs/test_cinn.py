"""The cinn codec on its released weights."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from photos import resized
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.base import Extraction, Wish, silent
from stegcinn.codecs.cinn import codec
from stegcinn.codecs.cinn.codec import CinnCodec
from stegcinn.codecs.cinn.lattice import Lattice
from stegcinn.codecs.cinn.painter import Painter
from stegcinn.errors import RevealError
from stegcinn.runtime.weights import Release
from stegcinn.sealing import keys
from stegcinn.stego import ATTEMPTS

SALT = bytes(range(32))
PUBLIC = keys.derive(None, SALT)
OTHER = keys.derive(None, SALT[::-1])
KEEP, GENERATE = Wish("keep"), Wish("generate")


def photo(name: str, height: int, width: int) -> Photo:
    return Photo(resized(name, height, width))


def room_of(cinn: CinnCodec, host: Photo, wish: Wish = KEEP) -> int:
    return cinn.capacity(host, wish, silent).most


def embedded(cinn: CinnCodec, host: Photo, stream: bytes, wish: Wish = KEEP) -> Photo:
    return cinn.embed(host, stream, PUBLIC, wish, silent).carrier


def extract(cinn: CinnCodec, container: Photo, key: keys.Keys = PUBLIC, *, strict: bool = False) -> Extraction:
    """All comes at once: nobody has to be asked how long the stream is."""
    return cinn.extract(container, key, lambda start: 0, strict=strict)


@pytest.fixture(scope="module")
def host() -> Photo:
    return photo("coffee", 99, 130)


@pytest.fixture(scope="module")
def stream(cinn: CinnCodec, host: Photo) -> bytes:
    return np.random.default_rng(0).bytes(room_of(cinn, host))


@pytest.fixture(scope="module")
def container(cinn: CinnCodec, host: Photo, stream: bytes) -> Photo:
    return embedded(cinn, host, stream)


def embed_until_it_reads(cinn, host, stream, wish):
    """What `hide` does: a draw of colours may fail its check, and the next one is tried."""
    for _ in range(ATTEMPTS):
        container = embedded(cinn, host, stream, wish)
        with contextlib.suppress(RevealError):
            return container, extract(cinn, container, strict=True)
    raise AssertionError(f"none of {ATTEMPTS} draws could be read")


@pytest.mark.slow
@pytest.mark.parametrize("wish", [KEEP, GENERATE], ids=lambda wish: wish.colors)
@pytest.mark.parametrize(("name", "height", "width"), [("astronaut", 64, 64), ("chelsea", 85, 127)])
def test_a_full_load_comes_back(cinn, wish, name, height, width):
    host = photo(name, height, width)
    stream = np.random.default_rng(1).bytes(room_of(cinn, host, wish))
    assert 8 * len(stream) > height * width  # more than one bit per pixel
    container, extraction = embed_until_it_reads(cinn, host, stream, wish)
    assert np.array_equal(container.luma, host.luma)
    assert extraction.stream[: len(stream)] == stream
    assert 0.9 < extraction.raw_accuracy <= 1


@pytest.mark.slow
def test_raw_accuracy_falls_by_the_share_of_wrong_bits(cinn, host, stream, monkeypatch):
    container = embedded(cinn, host, stream[:64])  # a low rate, which bears more errors
    before = extract(cinn, container).raw_accuracy
    real, rng = CinnCodec._soft_bits, np.random.default_rng(0)

    def soft_bits(self, rgb, lattice, latents, progress=None):
        llr = real(self, rgb, lattice, latents)
        return llr * np.where(rng.random(llr.shape) < 0.01, -1, 1)

    monkeypatch.setattr(CinnCodec, "_soft_bits", soft_bits)
    assert 0.005 < before - extract(cinn, container).raw_accuracy < 0.015


@pytest.mark.slow
def test_keep_stays_near_the_host_and_generate_does_not(cinn, host, container):
    def error(image):
        return np.mean((image.rgb.astype(float) - host.rgb) ** 2)

    generated = embedded(cinn, host, b"", GENERATE)
    assert 10 * np.log10(255**2 / error(container)) > 30
    assert error(generated) > 5 * error(container)


def test_pixels_beyond_the_last_cell_are_the_hosts(host, container):
    assert np.array_equal(container.rgb[96:], host.rgb[96:])
    assert np.array_equal(container.rgb[:, 128:], host.rgb[:, 128:])
    assert not np.array_equal(container.rgb[92:96], host.rgb[92:96])


def test_another_key_and_a_clean_photo_reveal_nothing(cinn, host, container):
    for image, key in ((container, OTHER), (host, PUBLIC)):
        with pytest.raises(RevealError):
            extract(cinn, image, key)


def test_a_photo_without_a_header_is_read_once(cinn, host, container, monkeypatch):
    """How sure latents are takes a second reading, and is asked for only where a header was found."""
    dithered = []
    real = Painter.latents

    def latents(self, rgb, lattice, *, dither=False, progress=silent):
        dithered.append(dither)
        return real(self, rgb, lattice, dither=dither)

    monkeypatch.setattr(Painter, "latents", latents)
    for image, key in ((host, PUBLIC), (container, OTHER)):
        with pytest.raises(RevealError):
            extract(cinn, image, key)
    assert dithered == [False] * 2 * (1 + len(cinn.older))
    dithered.clear()
    extract(cinn, container)
    assert dithered == [False, True]


def test_a_header_is_found_where_a_quarter_of_the_signs_are_wrong(cinn, container, monkeypatch):
    real, rng = Painter.latents, np.random.default_rng(0)

    def latents(self, rgb, lattice, *, dither=False, progress=silent):
        return [z * np.where(rng.random(z.shape) < 0.25, -1, 1) for z in real(self, rgb, lattice)]

    monkeypatch.setattr(Painter, "latents", latents)
    asked = []
    monkeypatch.setattr(CinnCodec, "_soft_bits", lambda self, rgb, lattice, z, *_: asked.append(z) or lattice.gather(z))
    with contextlib.suppress(RevealError):
        extract(cinn, container, strict=True)
    assert len(asked) == 1


def test_the_same_stream_twice_gives_unrelated_colours(cinn, host, stream, container):
    again = embedded(cinn, host, stream)
    changed = (container.rgb != host.rgb).any(axis=-1)
    assert (again.rgb[changed] != container.rgb[changed]).any(axis=-1).mean() > 0.3


def test_a_small_stream_takes_a_lower_rate_than_a_large_one(cinn, host, stream, container):
    def rate(image):
        return len(extract(cinn, image).stream)

    assert rate(embedded(cinn, host, stream[:16])) < rate(container) / 4


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_take_nothing(cinn, level):
    flat = Photo(np.full((64, 80, 3), level, np.uint8))
    assert room_of(cinn, flat) == 0
    with pytest.raises(RevealError):
        extract(cinn, flat)


@pytest.mark.slow
def test_capacity_is_the_same_every_time_and_of_the_whole_photo(cinn, host, stream):
    assert room_of(cinn, host) == len(stream)
    large = photo("rocket", 424, 640)
    half = Photo(large.rgb[:, :320])
    assert room_of(cinn, large) > 1.5 * room_of(cinn, half)


@pytest.mark.parametrize(("height", "width"), [(640, 960), (1024, 1024), (1536, 2048), (512, 512), (1080, 1920)])
def test_a_sample_is_spread_over_the_photo(height, width):
    rows, columns = np.mgrid[:height, :width]
    rgb = np.stack([rows // 64, columns // 64, rows * 0], axis=-1).astype(np.uint8)
    sample = codec._sample(rgb)
    assert sample.shape == (64, 1024, 3)
    blocks = {tuple(sample[0, x, :2]) for x in range(0, 1024, 64)}
    assert len(blocks) == 16
    assert len({row for row, _ in blocks}) >= min(height // 64, 16) * 3 // 4
    assert len({column for _, column in blocks}) >= min(width // 64, 16) * 3 // 4


def test_a_small_photo_is_its_own_sample(host):
    assert codec._sample(host.rgb) is host.rgb


@pytest.mark.slow
def test_tiles_join_without_a_trace_in_what_is_read(cinn, monkeypatch):
    monkeypatch.setattr("stegcinn.codecs.cinn.lattice.TILE", 64)
    host = photo("astronaut", 96, 160)
    assert len(Lattice(host.luma).tiles) == 6
    stream = np.random.default_rng(2).bytes(1500)
    container = embedded(cinn, host, stream)
    assert extract(cinn, container).stream[:1500] == stream


def test_repair_mends_what_rounding_broke(cinn, host, stream, container, monkeypatch):
    monkeypatch.setattr(Painter, "_repair", lambda self, luma, patch, *rest: patch)
    unrepaired = embedded(cinn, host, stream[:64])
    assert extract(cinn, unrepaired).raw_accuracy < extract(cinn, container).raw_accuracy - 0.004


def test_progress_rises_to_one(cinn, host):
    shares: list[float] = []
    cinn.embed(host, b"", PUBLIC, GENERATE, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.slow
def test_pytorch_reads_every_bit_as_onnx_runtime_does(cinn, host, stream, container, monkeypatch):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from stegcinn.training.cinn.pyramidflow import CINN, CINNConfig

    weights = cinn.painter.release
    config = CINNConfig(**{key: tuple(value) for key, value in weights.config["model"].items()})
    model = CINN(config).eval()
    model.load_state_dict(load_file(str(weights.folder / "cinn.safetensors")))
    lattice = Lattice(container.luma)
    by_onnx = lattice.gather(cinn.painter.latents(container.rgb, lattice))

    def run(self, file, *, x, condition):
        level, direction = int(file[5]), file.split("-")[1].removesuffix(".onnx")
        with torch.no_grad():
            return getattr(model.flow(level), direction)(torch.from_numpy(x), torch.from_numpy(condition))[0].numpy()

    monkeypatch.setattr("stegcinn.runtime.weights.Release.run", run)
    by_torch = lattice.gather(cinn.painter.latents(container.rgb, lattice))
    assert np.abs(by_torch - by_onnx).max() < 1e-2
    sure = np.abs(by_onnx) > 1e-3
    assert sure.mean() > 0.999
    assert np.array_equal(by_torch[sure] > 0, by_onnx[sure] > 0)
    assert extract(cinn, container, strict=True).stream[: len(stream)] == stream


@pytest.mark.slow
def test_containers_of_older_releases_are_revealed(cinn, container, stream):
    newer = Release(cinn.painter.release.folder)
    newer.__dict__["config"] = {**cinn.painter.release.config, "noise": 4.0}  # reads other latents
    with pytest.raises(RevealError):
        extract(CinnCodec(newer), container)
    both = CinnCodec(newer, cinn.painter.release)
    assert extract(both, container).stream[: len(stream)] == stream
    with pytest.raises(RevealError):  # what was just written must be read by the release that wrote it
        extract(both, container, strict=True)
    with pytest.raises(RevealError):
        extract(both, container, OTHER)
