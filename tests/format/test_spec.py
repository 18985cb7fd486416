"""The format: a reader written from docs/SPEC.md and the package agree on every test vector."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import spec_reader
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import stegcinn
from photos import crop
from stegcinn import stego
from stegcinn.album import revealing
from stegcinn.carriers.base import Source
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import COLORS, Wish
from stegcinn.coding import ldpc, stc
from stegcinn.errors import ImageError, RevealError, SharesError, StegcinnError
from stegcinn.runtime import weights
from stegcinn.sealing import envelope, keys
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import VERSIONS, Keyring, Keys

VECTORS = Path(__file__).parent / "vectors"
SPEC = (Path(__file__).parents[2] / "docs" / "SPEC.md").read_text(encoding="utf-8")


def entries(file: str) -> list:
    """Those of `cinn`, whose networks take a second here and another there, are slow.

    `version`: of the format, 1 where nothing is said.
    """
    vectors = json.loads((VECTORS / file).read_text(encoding="utf-8"))
    return [pytest.param(v, id=v["name"], marks=[pytest.mark.slow] * (v.get("codec") == "cinn")) for v in vectors]


def told(name: str | None, data: bytes) -> dict:
    return {"name": name or None, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.fixture(scope="module", autouse=True)
def _scrypt_once_for_all() -> Iterator[None]:
    """Most vectors have one password and one gray-scale: neither reader need stretch it anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_stretch", cache(keys._stretch))
        patch.setattr(hashlib, "scrypt", cache(hashlib.scrypt))
        yield


@pytest.mark.parametrize("vector", entries("envelopes.json"))
def test_envelope(vector):
    root, stream, version = bytes.fromhex(vector["root"]), bytes.fromhex(vector["stream"]), vector.get("version", 1)
    ours, theirs = Keys(root, version), spec_reader.Key(version, root)
    if "opens" in vector:
        assert told(*spec_reader.open_envelope(stream, theirs)) == vector["opens"]
        payload = envelope.unseal(stream, ours)
        assert told(payload.name, payload.data) == vector["opens"]
        for other in set(VERSIONS) - {version}:
            with pytest.raises(RevealError):
                envelope.unseal(stream, Keys(root, other))
        return
    with pytest.raises(spec_reader.RefusedError) as refused:
        spec_reader.open_envelope(stream, theirs)
    assert refused.value.layer == vector["layer"]
    with pytest.raises(StegcinnError) as error:
        envelope.unseal(stream, ours)
    assert_refused(error.value, vector["layer"])


@pytest.mark.parametrize("vector", entries("containers.json"))
def test_container(vector):
    path, password, version = VECTORS / vector["file"], vector["password"], vector.get("version", 1)
    if "opens" in vector:
        codec, *payload = spec_reader.reveal(path, password, versions=(version,))
        assert (codec, told(*payload)) == (vector["codec"], vector["opens"])
        payload = stego.uncover(Source(path), password=password)
        assert told(payload.name, payload.data) == vector["opens"]
        return
    with pytest.raises(StegcinnError) as error:
        stegcinn.reveal(path, password=password)
    assert_refused(error.value, vector["layer"])
    if vector["codec"]:
        with pytest.raises(spec_reader.RefusedError) as refused:
            spec_reader.reveal(path, password, codecs=(vector["codec"],), versions=(version,))
        assert refused.value.layer == vector["layer"]


@pytest.mark.parametrize("vector", entries("albums.json"))
def test_album(vector):
    files, password = [VECTORS / file for file in vector["files"]], vector["password"]
    if "opens" in vector:
        assert told(*spec_reader.reveal_album(files, password, ("jpeg", "stealth", "robust"))) == vector["opens"]
        payload = revealing.uncovered(files, password=password).payload
        assert told(payload.name, payload.data) == vector["opens"]
        return
    with pytest.raises(spec_reader.RefusedError) as refused:
        spec_reader.reveal_album(files, password, ("jpeg", "stealth", "robust"))
    assert refused.value.layer == vector["layer"]
    with pytest.raises((RevealError, SharesError)):
        revealing.uncovered(files, password=password)


def assert_refused(error: StegcinnError, layer: str) -> None:
    """One message for all that cannot be told apart."""
    if layer == "image":
        assert type(error) is ImageError
    else:
        assert type(error) is RevealError
        assert str(error) == str(RevealError())


def test_there_are_vectors_of_both_kinds_for_every_codec_and_weights_release():
    vectors = json.loads((VECTORS / "containers.json").read_text(encoding="utf-8"))
    for codec, version in itertools.product(spec_reader.CODECS, VERSIONS):
        if load_codec(codec).first_version <= version:
            ours = [v for v in vectors if (v["codec"], v.get("version", 1)) == (codec, version)]
            assert any("opens" in v for v in ours)
            assert any("layer" in v for v in ours)
    assert tuple(spec_reader.CODECS) == CODECS
    assert spec_reader.VERSIONS == VERSIONS
    albums = json.loads((VECTORS / "albums.json").read_text(encoding="utf-8"))
    listed = {v["file"] for v in vectors} | {file for v in albums for file in v["files"]}
    assert listed == {path.name for path in VECTORS.iterdir() if path.suffix != ".json"}


@pytest.mark.parametrize("codec", CODECS)
def test_there_is_a_vector_of_which_a_program_whitened_what_is_not_seen(codec):
    if load_codec(codec).formats[0] != ".png":
        pytest.skip("it has no transparency")
    before, after = (np.asarray(Image.open(VECTORS / f"v2-{codec}-transparent{end}.png")) for end in ("", "-white"))
    hidden = before[..., 3] == 0
    assert hidden.sum() > 100
    assert np.array_equal(before[~hidden], after[~hidden])
    assert np.array_equal(after[hidden], np.broadcast_to((255, 255, 255, 0), (hidden.sum(), 4)))
    assert (before[hidden] != after[hidden]).any(axis=-1).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stealth-public", "exact-1-public", "cinn-2-public"])
def test_what_is_not_told_is_found(name):
    """Neither version nor codec: by trying all."""
    codec, _, payload = spec_reader.reveal(VECTORS / f"{name}.png")
    assert codec == name.split("-")[0]
    assert payload == stegcinn.reveal(VECTORS / f"{name}.png")


WISHES = [
    pytest.param(codec, Wish(colors), id=f"{codec}-{colors}")
    for codec in spec_reader.CODECS
    for colors in COLORS
    if load_codec(codec).refusal(Wish(colors)) is None
]


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "wish"), WISHES)
def test_new_containers_are_read_by_the_other_reader(codec, wish, tmp_path):
    """Another size and payload every time would be fuzzing; these go beyond one tile, use an odd size, have a hole."""
    rgb = np.concatenate([crop("chelsea", 67, 200), crop("coffee", 67, 101, left=100)], axis=1)
    alpha = np.full(rgb.shape[:2], 255, np.uint8)
    alpha[20:35, 120:160] = np.arange(40) // 20
    host = Image.fromarray(np.dstack([rgb, alpha]))
    suffix = {"jpeg": ".jpg", "robust": ".png"}.get(codec, ".webp")
    if codec == "robust":  # which has no room in so small a photo
        host = host.resize((799, 534), Image.Resampling.BICUBIC)
    room = stegcinn.capacity(host, codec=codec, colors=wish.colors).bytes
    payload = Payload(np.random.default_rng(0).bytes(room // 3), "größe.bin")
    container = stego.conceal(Source(host), payload, password="pä", codec=codec, wish=wish, suffix=suffix)
    file = tmp_path / f"container{suffix}"
    file.write_bytes(container.file)
    assert spec_reader.reveal(file, "pä") == (codec, payload.name, payload.data)


def test_key_streams_are_those_of_the_other_reader():
    luma = np.arange(64 * 65, dtype=np.uint8).reshape(65, 64)
    rgb = np.repeat(luma[..., None], 3, axis=-1)
    (salt,) = {codec.salt(codec.open(Source(rgb))) for codec in map(load_codec, spec_reader.LOSSLESS)}
    for version, password in itertools.product(VERSIONS, (None, "pässword", "pa\u0308ssword")):
        theirs, ours = spec_reader.key_of(luma, password, version), Keyring(password)(salt, version)
        assert (ours.version, ours.root) == theirs
        assert ours.stream("exact header", 1000) == spec_reader.stream(theirs, "exact header", 1000)
        for n in (1, 2, 3, 1000, 1024):
            assert ours.permutation("positions", n).tolist() == spec_reader.permutation(theirs, "positions", n)
        assert keys.derive("a", bytes(32), version).root != theirs.root


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50_000), st.floats(0, 1), st.integers(0, 2**32))
@example(40_900, 2_400 / 40_900, 0)  # nine segments, rounded down to eight
@example(30_000, 1.0, 0)  # more message than the bits of a segment
@example(1_024, 224 / 1_024, 0)
def test_syndromes_are_those_of_the_other_reader(n, share, seed):
    bits = np.random.default_rng(seed).integers(0, 2, n, np.uint8)
    m = round(share * n)
    assert stc.decode(bits, m).tolist() == spec_reader.read_syndromes(bits.tolist(), m)


def test_weights_are_those_that_the_specification_names():
    rows = re.findall(r"^\| (\S+) \| `(\S+)` \| `([0-9a-f]{64})` \|$", SPEC, re.MULTILINE)
    assert {release for release, *_ in rows} == {"cinn-1", "cinn-2", "exact-1"}
    for release, file, digest in rows:
        assert weights.release(release).config["sha256"][file] == digest
        assert hashlib.sha256((spec_reader.WEIGHTS / release / file).read_bytes()).hexdigest() == digest


def test_tables_are_those_that_the_specification_names():
    for table in (spec_reader.INVERSE, spec_reader.WEIGHT, spec_reader.COLUMNS):
        assert hashlib.sha256(np.array(table, "<i8").tobytes()).hexdigest() in SPEC


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "lift"), [(0, 16), (1, 540), (8, 23), (20, 31), (30, 17)])
def test_codes_are_those_of_the_other_reader(rate, lift):
    plan = ldpc.plan(120 * lift, rate)
    ours = set(zip(*(array.tolist() for array in ldpc.edges(plan)), strict=True))
    theirs = set()
    for row, places in enumerate(spec_reader.checks_of(*spec_reader.CODES[rate], lift)):
        theirs |= {(row * lift + i, place) for i, joined in enumerate(places.tolist()) for place in joined}
    assert ours == {(check, place) for check, place in theirs if place < 120 * lift}
    assert spec_reader.CODES[rate][0] / 120 == ldpc.RATES[rate]
