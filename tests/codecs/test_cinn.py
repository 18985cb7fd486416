"""The cinn codec on its released weights."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from PIL import Image
from skimage import data as skimage_data

from stegcinn.carriers.luma import luma_of
from stegcinn.codecs import load_codec
from stegcinn.codecs.cinn import codec as cinn
from stegcinn.codecs.cinn.codec import CinnCodec
from stegcinn.codecs.cinn.lattice import Lattice
from stegcinn.errors import RevealError
from stegcinn.runtime.weights import Release
from stegcinn.sealing import keys
from stegcinn.stego import ATTEMPTS

SALT = bytes(range(32))
PUBLIC = keys.derive(None, SALT)
OTHER = keys.derive(None, SALT[::-1])


def silent(share: float) -> None:
    pass


def photo(name: str, height: int, width: int) -> np.ndarray:
    image = Image.fromarray(getattr(skimage_data, name)())
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def codec() -> CinnCodec:
    codec = load_codec("cinn")
    assert isinstance(codec, CinnCodec)
    return codec


@pytest.fixture(scope="module")
def host() -> np.ndarray:
    return photo("coffee", 99, 130)


@pytest.fixture(scope="module")
def stream(codec: CinnCodec, host: np.ndarray) -> bytes:
    return np.random.default_rng(0).bytes(codec.capacity(host, "keep", silent).most)


@pytest.fixture(scope="module")
def container(codec: CinnCodec, host: np.ndarray, stream: bytes) -> np.ndarray:
    return codec.embed(host, stream, PUBLIC, "keep", silent).rgb


def embed_until_it_reads(codec, host, stream, colors):
    """What `hide` does: a draw of colours may fail its check, and the next one is tried."""
    for _ in range(ATTEMPTS):
        container = codec.embed(host, stream, PUBLIC, colors, silent).rgb
        with contextlib.suppress(RevealError):
            return container, codec.extract(container, PUBLIC, strict=True)
    raise AssertionError(f"none of {ATTEMPTS} draws could be read")


@pytest.mark.parametrize("colors", ["keep", "generate"])
@pytest.mark.parametrize(("name", "height", "width"), [("astronaut", 64, 64), ("chelsea", 85, 127)])
def test_a_full_load_comes_back(codec, colors, name, height, width):
    host = photo(name, height, width)
    stream = np.random.default_rng(1).bytes(codec.capacity(host, colors, silent).most)
    assert 8 * len(stream) > height * width  # more than one bit per pixel
    container, extraction = embed_until_it_reads(codec, host, stream, colors)
    assert np.array_equal(luma_of(container), luma_of(host))
    assert extraction.stream[: len(stream)] == stream
    assert 0.9 < extraction.raw_accuracy <= 1


def test_raw_accuracy_falls_by_the_share_of_wrong_bits(codec, host, stream, monkeypatch):
    container = codec.embed(host, stream[:64], PUBLIC, "keep", silent).rgb  # a low rate, which bears more errors
    before = codec.extract(container, PUBLIC).raw_accuracy
    real, rng = CinnCodec._soft_bits, np.random.default_rng(0)

    def soft_bits(self, rgb, lattice, latents):
        llr = real(self, rgb, lattice, latents)
        return llr * np.where(rng.random(llr.shape) < 0.01, -1, 1)

    monkeypatch.setattr(CinnCodec, "_soft_bits", soft_bits)
    assert 0.005 < before - codec.extract(container, PUBLIC).raw_accuracy < 0.015


def test_keep_stays_near_the_host_and_generate_does_not(codec, host, container):
    def error(rgb):
        return np.mean((rgb.astype(float) - host) ** 2)

    generated = codec.embed(host, b"", PUBLIC, "generate", silent).rgb
    assert 10 * np.log10(255**2 / error(container)) > 30
    assert error(generated) > 5 * error(container)


def test_pixels_beyond_the_last_cell_are_the_hosts(host, container):
    assert np.array_equal(container[96:], host[96:])
    assert np.array_equal(container[:, 128:], host[:, 128:])
    assert not np.array_equal(container[92:96], host[92:96])


def test_another_key_and_a_clean_photo_reveal_nothing(codec, host, container):
    for rgb, key in ((container, OTHER), (host, PUBLIC)):
        with pytest.raises(RevealError):
            codec.extract(rgb, key)


def test_a_photo_without_a_header_is_read_once(codec, host, container, monkeypatch):
    """How sure latents are takes a second reading, and is asked for only where a header was found."""
    dithered = []
    real = CinnCodec._latents

    def latents(self, rgb, lattice, *, dither=False):
        dithered.append(dither)
        return real(self, rgb, lattice, dither=dither)

    monkeypatch.setattr(CinnCodec, "_latents", latents)
    for rgb, key in ((host, PUBLIC), (container, OTHER)):
        with pytest.raises(RevealError):
            codec.extract(rgb, key)
    assert dithered == [False] * 2 * (1 + len(codec.older))
    dithered.clear()
    codec.extract(container, PUBLIC)
    assert dithered == [False, True]


def test_a_header_is_found_where_a_quarter_of_the_signs_are_wrong(codec, container, monkeypatch):
    real, rng = CinnCodec._latents, np.random.default_rng(0)

    def latents(self, rgb, lattice, *, dither=False):
        return [z * np.where(rng.random(z.shape) < 0.25, -1, 1) for z in real(self, rgb, lattice)]

    monkeypatch.setattr(CinnCodec, "_latents", latents)
    asked = []
    monkeypatch.setattr(CinnCodec, "_soft_bits", lambda self, rgb, lattice, z: asked.append(z) or lattice.gather(z))
    with contextlib.suppress(RevealError):
        codec.extract(container, PUBLIC, strict=True)
    assert len(asked) == 1


def test_the_same_stream_twice_gives_unrelated_colours(codec, host, stream, container):
    again = codec.embed(host, stream, PUBLIC, "keep", silent).rgb
    changed = (container != host).any(axis=-1)
    assert (again[changed] != container[changed]).any(axis=-1).mean() > 0.3


def test_a_small_stream_takes_a_lower_rate_than_a_large_one(codec, host, stream, container):
    def rate(rgb):
        return len(codec.extract(rgb, PUBLIC).stream)

    assert rate(codec.embed(host, stream[:16], PUBLIC, "keep", silent).rgb) < rate(container) / 4


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_take_nothing(codec, level):
    flat = np.full((64, 80, 3), level, np.uint8)
    assert codec.capacity(flat, "keep", silent).most == 0
    with pytest.raises(RevealError):
        codec.extract(flat, PUBLIC)


def test_capacity_is_the_same_every_time_and_of_the_whole_photo(codec, host, stream):
    assert codec.capacity(host, "keep", silent).most == len(stream)
    large = photo("rocket", 424, 640)
    half = large[:, :320]
    assert codec.capacity(large, "keep", silent).most > 1.5 * codec.capacity(half, "keep", silent).most


@pytest.mark.parametrize(("height", "width"), [(640, 960), (1024, 1024), (1536, 2048), (512, 512), (1080, 1920)])
def test_a_sample_is_spread_over_the_photo(height, width):
    rows, columns = np.mgrid[:height, :width]
    rgb = np.stack([rows // 64, columns // 64, rows * 0], axis=-1).astype(np.uint8)
    sample = cinn._sample(rgb)
    assert sample.shape == (64, 1024, 3)
    blocks = {tuple(sample[0, x, :2]) for x in range(0, 1024, 64)}
    assert len(blocks) == 16
    assert len({row for row, _ in blocks}) >= min(height // 64, 16) * 3 // 4
    assert len({column for _, column in blocks}) >= min(width // 64, 16) * 3 // 4


def test_a_small_photo_is_its_own_sample(host):
    assert cinn._sample(host) is host


def test_tiles_join_without_a_trace_in_what_is_read(codec, monkeypatch):
    monkeypatch.setattr("stegcinn.codecs.cinn.lattice.TILE", 64)
    host = photo("astronaut", 96, 160)
    assert len(Lattice(luma_of(host)).tiles) == 6
    stream = np.random.default_rng(2).bytes(1500)
    container = codec.embed(host, stream, PUBLIC, "keep", silent).rgb
    assert codec.extract(container, PUBLIC).stream[:1500] == stream


def test_repair_mends_what_rounding_broke(codec, host, stream, container, monkeypatch):
    monkeypatch.setattr(CinnCodec, "_repair", lambda self, luma, patch, *rest: patch)
    unrepaired = codec.embed(host, stream[:64], PUBLIC, "keep", silent).rgb
    assert codec.extract(unrepaired, PUBLIC).raw_accuracy < codec.extract(container, PUBLIC).raw_accuracy - 0.004


def test_progress_rises_to_one(codec, host):
    shares: list[float] = []
    codec.embed(host, b"", PUBLIC, "generate", shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_pytorch_reads_every_bit_as_onnx_runtime_does(codec, host, stream, container, monkeypatch):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from stegcinn.training.cinn.pyramidflow import CINN, CINNConfig

    weights = codec.release
    config = CINNConfig(**{key: tuple(value) for key, value in weights.config["model"].items()})
    model = CINN(config).eval()
    model.load_state_dict(load_file(str(weights.folder / "cinn.safetensors")))
    lattice = Lattice(luma_of(container))
    by_onnx = lattice.gather(codec._latents(container, lattice))

    def run(self, file, *, x, condition):
        level, direction = int(file[5]), file.split("-")[1].removesuffix(".onnx")
        with torch.no_grad():
            return getattr(model.flow(level), direction)(torch.from_numpy(x), torch.from_numpy(condition))[0].numpy()

    monkeypatch.setattr("stegcinn.runtime.weights.Release.run", run)
    by_torch = lattice.gather(codec._latents(container, lattice))
    assert np.abs(by_torch - by_onnx).max() < 1e-2
    sure = np.abs(by_onnx) > 1e-3
    assert sure.mean() > 0.999
    assert np.array_equal(by_torch[sure] > 0, by_onnx[sure] > 0)
    assert codec.extract(container, PUBLIC, strict=True).stream[: len(stream)] == stream


def test_containers_of_older_releases_are_revealed(codec, container, stream):
    newer = Release(codec.release.folder)
    newer.__dict__["config"] = {**codec.release.config, "noise": 4.0}  # reads other latents
    with pytest.raises(RevealError):
        CinnCodec(newer).extract(container, PUBLIC)
    both = CinnCodec(newer, codec.release)
    assert both.extract(container, PUBLIC).stream[: len(stream)] == stream
    with pytest.raises(RevealError):  # what was just written must be read by the release that wrote it
        both.extract(container, PUBLIC, strict=True)
    with pytest.raises(RevealError):
        both.extract(container, OTHER)
