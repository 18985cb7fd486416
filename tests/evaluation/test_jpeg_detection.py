"""Detection in JPEG files from hosts to accuracy."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jpegs import picture, saved
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.errors import CapacityError, UsageError
from stegcinn.evaluation.baselines.jpeg import embed
from stegcinn.evaluation.benchmark import jpegs
from stegcinn.evaluation.benchmark.jpegs import JpegEmbedder
from stegcinn.evaluation.steganalysis import ensemble

HOSTS = 30


def host(seed: int = 0, side: int = 96, **options: object) -> bytes:
    return saved(picture(side, side, seed), **{"quality": 90, "subsampling": "4:4:4"} | options)


@pytest.fixture(scope="module")
def hosts() -> list[bytes]:
    return [host(seed) for seed in range(HOSTS)]


# -- loads


@pytest.mark.parametrize("text", ["uerd@0.2", "juniward-all@1000B", "nsf5@0.05", "jpeg@300.5B", "steghide@1B"])
def test_embedders_are_written_as_they_are_read(text: str) -> None:
    assert str(JpegEmbedder.parse(text)) == text


@pytest.mark.parametrize("text", ["uerd", "uerd@", "uerd@x", "uerd@-1", "f5@0.2", "uerd@1000b", "uerd@full"])
def test_other_embedders_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="METHOD@LOAD"):
        JpegEmbedder.parse(text)


def test_a_load_is_the_same_for_every_method() -> None:
    jpeg = JpegFile.read(host(), "x")
    assert {JpegEmbedder.parse(f"{name}@0.25").bits(jpeg) for name in jpegs.METHODS} == {embed.nonzero_ac(jpeg) / 4}
    assert JpegEmbedder.parse("jpeg@1000B").bits(jpeg) == pytest.approx(8 * 1000 * 96 * 96 / 1e6)


@pytest.mark.parametrize("method", jpegs.SIMULATED)
def test_simulated_methods_change_what_their_name_says(method: str) -> None:
    jpeg = JpegFile.read(host(side=160), "x")
    stego = JpegEmbedder.parse(f"{method}@0.3").stego(jpeg, np.random.default_rng(0))
    changes = [np.count_nonzero(a.coefficients != b) for a, b in zip(stego.components, jpeg.was, strict=True)]
    assert (changes[0] > 0) == (method in ("juniward-all", "juniward-thirds"))
    assert sum(changes) > 20


@pytest.mark.parametrize("program", jpegs.PROGRAMS)
def test_real_programs_hide_in_a_file_that_is_read_again(program: str) -> None:
    if shutil.which(program) is None:
        assert JpegEmbedder.parse(f"{program}@100B").missing == program
        pytest.skip(f"no {program}")
    embedder = JpegEmbedder.parse(f"{program}@1000B")
    assert embedder.missing is None
    jpeg = JpegFile.read(host(side=256), "x")
    stego = embedder.stego(jpeg, np.random.default_rng(0))
    assert (stego.width, stego.height) == (256, 256)
    assert any((a.coefficients != b).any() for a, b in zip(stego.components, jpeg.was, strict=True))
    with pytest.raises(CapacityError):
        JpegEmbedder.parse(f"{program}@900000B").stego(jpeg, np.random.default_rng(0))


# -- hosts and pixels


def test_made_hosts_are_half_as_large_with_halved_chroma(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(picture(130, 98), quality=95, subsampling="4:4:4"))
    made = JpegFile.read(jpegs.made_420(path, 80), "x")
    assert (made.width, made.height) == (65, 49)
    assert [(c.h, c.v) for c in made.components] == [(2, 2), (1, 1), (1, 1)]
    assert made.quality == (80, True)


@pytest.mark.parametrize("options", [{}, {"subsampling": "4:2:2"}, {"subsampling": "4:2:0"}])
def test_pixels_are_nearly_what_pillow_decodes(options: dict[str, str]) -> None:
    rgb = np.asarray(Image.fromarray(picture(12, 10)).resize((93, 107), Image.Resampling.BICUBIC))
    data = saved(rgb, **{"quality": 95, "subsampling": "4:4:4"} | options)
    with Image.open(io.BytesIO(data)) as image:
        decoded = np.asarray(image).astype(int)
    found = jpegs.pixels(JpegFile.read(data, "x"))
    assert found.shape == decoded.shape
    assert np.abs(found - decoded).mean() < (6 if options else 0.6)  # chroma is repeated, Pillow's is smoothed


# -- features and accuracy


@pytest.mark.slow
def test_attackers_see_the_proof_and_not_the_very_same(
    hosts: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble, "LEARNERS", 20)
    covers = [jpegs.features_of(data, None, tmp_path) for data in hosts]
    stegos = [jpegs.features_of(data, JpegEmbedder.parse("flat@0.9"), tmp_path) for data in hosts]
    found = jpegs.detections(covers, stegos, ["jrm", "dctr", "chroma", "luma"], 1)
    assert found["jrm"].accuracy > 0.9
    assert found["dctr"].accuracy > 0.7
    assert found["chroma"].accuracy > 0.9
    assert found["luma"].accuracy == 0.5  # gray-only attackers are shown the same coefficients
    assert jpegs.detections(covers, covers, ["chroma"], 1)["chroma"].accuracy == 0.5


def test_features_are_kept_for_each_host_and_embedder(
    hosts: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uerd, more = (JpegEmbedder.parse(f"uerd@{load}") for load in (0.5, 0.8))
    wanted = [(hosts[0], None), (hosts[1], None), (hosts[0], uerd), (hosts[0], more)]
    found = [jpegs.features_of(data, embedder, tmp_path) for data, embedder in wanted]
    assert all(one is not None and list(one) == list(jpegs.FEATURES) for one in found)
    assert len({one["jrm"].tobytes() for one in found if one}) == 4
    monkeypatch.setattr(jpegs, "FEATURES", {})  # nothing is computed again
    for (data, embedder), first in zip(wanted, found, strict=True):
        again = jpegs.features_of(data, embedder, tmp_path)
        assert first is not None
        assert again is not None
        for kind, values in first.items():
            np.testing.assert_array_equal(again[kind], values)
    assert jpegs.features_of(hosts[0], uerd, tmp_path, seed=1) is None  # but for another seed


def test_the_same_stego_is_made_whenever_it_is_made(hosts: list[bytes], tmp_path: Path) -> None:
    embedder = JpegEmbedder.parse("uerd@0.5")
    first, again = (jpegs.features_of(hosts[0], embedder, tmp_path / name) for name in "ab")
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first["jrm"], again["jrm"])


def test_hosts_that_do_not_take_a_load_are_left_out(tmp_path: Path) -> None:
    data = host()
    for _ in range(2):  # made, and read again
        assert jpegs.features_of(data, JpegEmbedder.parse("nsf5@1.2"), tmp_path) is None
    features = jpegs.features_of(data, None, tmp_path)
    with pytest.raises(UsageError, match="only 1 hosts"):
        jpegs.detections([features, features], [features, None], ["jrm"], 1)
