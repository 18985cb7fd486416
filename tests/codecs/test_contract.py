"""What every codec promises to whatever is above it (`stegcinn.codecs.base`): the same tests for all."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import jpegs
from photos import crop, resized
from stegcinn.carriers.base import Source
from stegcinn.carriers.photo import Photo
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import COLORS, Codec, Embedding, Graded, StreamSize, Wish, judge_disturbance, silent
from stegcinn.errors import CapacityError, ImageError, RevealError, SelfCheckError, UsageError
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing import envelope
from stegcinn.sealing.envelope import Payload
from stegcinn.sealing.keys import Keyring, Keys, Keystream
from stegcinn.stego import ATTEMPTS

SIGMAS = 5.5  # chance passes a bound with p < 1e-7
HOST: UInt8 = crop("chelsea", 73, 90, 60, 100)  # odd on one side, and on no multiple of a cell
# Where nothing of a carrier survives there is no room in so small a photo, and no salt of its own
LARGE: dict[str, UInt8] = {"robust": resized("rocket", 427, 641)}
JPEG = jpegs.saved(crop("chelsea", 171, 210, 60, 100), quality=90, subsampling=0)
OTHER = Keys(bytes(range(32)))
WISHES = [Wish(), *map(Wish, COLORS)]


class Case:
    """A codec, a host that it opens, and the keys for it."""

    def __init__(self, name: str) -> None:
        self.codec: Codec[Any] = load_codec(name)
        self.host = self.opened()
        self.keys = self.keys_of(None)
        self.overhead = self.codec.envelope.OVERHEAD
        self.wish = Wish()

    @cached_property
    def most(self) -> int:
        """Bytes of the longest stream that is promised to fit."""
        return self.codec.capacity(self.host, self.wish, silent).most

    def opened(self, image: Any = None) -> Any:
        """A host: that of these tests, or another picture, as one of the codec's kind where it takes only those."""
        if image is None:
            image = LARGE.get(self.codec.name, JPEG if self.codec.formats == (".jpg",) else HOST)
        return self.codec.host(Source(image), Wish(convert=True))

    def keys_of(self, password: str | None) -> Keys:
        return Keyring(password)(self.codec.salt(self.host), shared=self.codec.shared_salt)

    def sealed(self, size: int, keys: Keys | None = None) -> bytes:
        """An envelope of `size` bytes, around what does not compress."""
        payload = Payload(np.random.default_rng(size).bytes(size - self.overhead))
        stream = self.codec.envelope.seal(envelope.pack(payload), keys or self.keys)
        assert len(stream) == size
        return stream

    def embed(self, stream: bytes, keys: Keys | None = None, wish: Wish | None = None) -> Embedding[Any]:
        """As `hide` does: what does not read back with the sender's margin is drawn anew."""
        keys = keys or self.keys
        for _ in range(ATTEMPTS):
            embedding = self.codec.embed(self.host, stream, keys, wish or self.wish, silent)
            with suppress(RevealError):
                extraction = self.codec.extract(embedding.carrier, keys, _size(stream), strict=True)
                if extraction.stream[: len(stream)] == stream:
                    return embedding
        raise AssertionError(f"none of {ATTEMPTS} containers reads back")

    def saved(self, embedding: Embedding[Any], suffix: str | None = None) -> Any:
        """The carrier that a receiver opens."""
        return self.codec.open(Source(self.codec.encode(embedding.carrier, suffix or self.codec.formats[0])))

    def picture(self, carrier: Any) -> UInt8:
        """What a viewer shows of it."""
        with Image.open(io.BytesIO(self.codec.encode(carrier, self.codec.formats[0]))) as image:
            return np.array(image)

    def values(self, carrier: Any) -> npt.NDArray[np.float64]:
        """What it hides in: pixels (n, 3), or coefficients (n, 1)."""
        if isinstance(carrier, Photo):
            return carrier.rgb.reshape(-1, 3).astype(np.float64)
        return np.concatenate([plane.visible.reshape(-1, 1) for plane in carrier.file.chroma]).astype(np.float64)

    def reveal(self, carrier: Any, keys: Keys | None = None) -> Payload:
        """As a receiver does, who knows nothing but the keys."""
        keys = keys or self.keys
        stream = self.codec.extract(carrier, keys, partial(self.codec.envelope.stream_size, keys=keys)).stream
        return self.codec.envelope.unseal(stream, keys)


def _size(stream: bytes) -> StreamSize:
    return lambda start: len(stream)


@pytest.fixture(scope="module", params=CODECS)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.fixture(scope="module")
def embedding(case: Case) -> Embedding[Any]:
    """Half full."""
    return case.embed(case.sealed(case.most // 2))


# -- what there is to know of it


def test_it_says_what_it_is(case):
    codec = case.codec
    assert load_codec(codec.name) is codec
    assert codec.name in CODECS
    assert codec.label.startswith(codec.name)
    assert len(codec.label.splitlines()) == 1
    assert isinstance(codec.auto, bool)
    assert codec.formats
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in codec.formats)
    assert len(set(codec.formats)) == len(codec.formats)
    assert codec.is_slow(case.host) is False  # so small


def test_somebody_is_taken_where_nobody_is_asked_for():
    assert any(load_codec(name).auto for name in CODECS)


def test_what_is_waited_for_is_waited_for_once(case):
    case.codec.ready()
    case.codec.ready()


def test_a_refusal_is_a_line(case):
    assert case.codec.refusal(Wish()) is None  # whoever wishes nothing is not refused
    for wish in WISHES:
        reason = case.codec.refusal(wish)
        assert reason is None or (reason and len(reason.splitlines()) == 1)


def test_what_is_refused_does_not_fit_and_what_is_not_does(case):
    for wish in WISHES:
        room = case.codec.capacity(case.host, wish, silent)
        if case.codec.refusal(wish):
            assert room.most == 0
            with pytest.raises(CapacityError):
                case.codec.embed(case.host, case.sealed(case.overhead), case.keys, wish, silent)
        else:
            assert room.most > case.overhead
            assert room.colors in ((wish.colors,) if wish.colors else (None, *COLORS))


def test_what_is_no_picture_is_not_opened(case):
    for file in (b"", b"no picture", case.codec.encode(case.host, case.codec.formats[0])[:100]):
        with pytest.raises(ImageError):
            case.codec.open(Source(file))


# -- there and back


def test_a_payload_comes_back_from_every_format(case):
    payload = Payload(np.random.default_rng(0).bytes(case.most // 3), "naïve.bin")
    stream = case.codec.envelope.seal(envelope.pack(payload), case.keys)
    embedding = case.embed(stream)
    for suffix in case.codec.formats:
        saved = case.saved(embedding, suffix)
        case.codec.check(case.host, saved)
        assert case.reveal(saved) == payload


@pytest.mark.parametrize("colors", COLORS)
def test_whatever_is_done_with_the_colours_it_comes_back(case, colors):
    wish = Wish(colors)
    if case.codec.refusal(wish):
        pytest.skip("refused")
    embedding = case.embed(case.sealed(200), wish=wish)
    assert embedding.colors == colors
    saved = case.saved(embedding)
    case.codec.check(case.host, saved)
    assert len(case.reveal(saved).data) == 200 - case.overhead


def test_a_password_is_as_good_as_none(case):
    keys = case.keys_of("pässword")
    embedding = case.embed(case.sealed(150, keys), keys)
    assert len(case.reveal(case.saved(embedding), keys).data) == 150 - case.overhead
    with pytest.raises(RevealError):
        case.reveal(case.saved(embedding))


@pytest.mark.parametrize("size", [0, 1, 33])
def test_any_bytes_are_a_stream(case, size):
    """No envelope; even none at all."""
    stream = bytes(size)
    embedding = case.embed(stream)
    for strict in (False, True):
        extraction = case.codec.extract(case.saved(embedding), case.keys, _size(stream), strict=strict)
        assert extraction.stream[:size] == stream
        assert 0.5 < extraction.raw_accuracy <= 1


def test_the_host_is_left_alone(case):
    again = case.opened()
    before = case.codec.encode(again, case.codec.formats[0])
    case.codec.capacity(again, case.wish, silent)
    case.codec.embed(again, case.sealed(100), case.keys, case.wish, silent)
    case.codec.disturbance(again, 100)
    assert case.codec.encode(again, case.codec.formats[0]) == before


def test_what_is_changed_is_told(case, embedding):
    before, after = (case.values(carrier) for carrier in (case.host, embedding.carrier))
    changed = float((before != after).any(axis=-1).mean())
    assert 0 < changed <= 1
    assert embedding.changed == pytest.approx(changed)


# -- keys


def test_the_keys_of_a_container_are_its_hosts(case, embedding):
    salt = case.codec.salt(case.host)
    assert len(salt) == 32
    for carrier in (embedding.carrier, *(case.saved(embedding, suffix) for suffix in case.codec.formats)):
        assert case.codec.salt(carrier) == salt


def test_other_hosts_have_other_keys(case):
    if case.codec.shared_salt:
        assert case.codec.salt(case.host) == case.codec.salt(case.opened(HOST))
        return
    salts = {case.codec.salt(case.opened(rgb)) for rgb in (HOST, HOST[1:], HOST[::-1], HOST[:, ::-1])}
    assert len(salts) == 4


def test_another_key_and_a_clean_carrier_reveal_nothing(case, embedding):
    saved = case.saved(embedding)
    assert len(case.reveal(saved).data) == case.most // 2 - case.overhead
    for carrier, keys in ((saved, OTHER), (case.host, case.keys), (case.host, OTHER)):
        with pytest.raises(RevealError):
            case.reveal(carrier, keys)


def test_a_stream_of_zeros_looks_like_any_other(case):
    """In what it changes as under another key: what is written is masked, however plain the stream."""
    size = case.most // 2
    embeddings = [case.embed(stream) for stream in (bytes(size), np.random.default_rng(1).bytes(size))]
    for embedding in embeddings:
        with pytest.raises(RevealError):
            case.reveal(embedding.carrier, OTHER)
    zeros, random = (case.values(embedding.carrier) for embedding in embeddings)
    noise = math.sqrt(np.square(zeros - random).mean() / len(zeros))
    assert np.abs(zeros.mean(axis=0) - random.mean(axis=0)).max() < SIGMAS * noise
    assert embeddings[0].changed == pytest.approx(embeddings[1].changed, rel=0.15)


def test_the_same_draws_make_the_same_container(case):
    """What is drawn at all is drawn from what the wish says, so that a data set can be made again."""
    stream, files = case.sealed(case.most // 4), []
    for seed in (b"a" * 32, b"a" * 32, b"b" * 32):
        wish = Wish(random=Keystream(Keys(seed), "draws"))
        made = case.codec.embed(case.host, stream, case.keys, wish, silent)
        files.append(case.codec.encode(made.carrier, case.codec.formats[0]))
    assert files[0] == files[1] != files[2]


def test_the_same_stream_twice_is_two_containers(case):
    stream = case.sealed(300)
    files = {case.codec.encode(case.embed(stream).carrier, case.codec.formats[0]) for _ in range(2)}
    assert len(files) == 2


def test_a_reading_ends_where_its_beginning_is_no_stream(case, embedding):
    """A codec that asks how long the stream is takes a refusal for an answer; another one has it all at once."""

    def refuse(start: bytes) -> int:
        if len(start) < 16:
            return 16
        raise RevealError

    with suppress(RevealError):
        assert len(case.codec.extract(case.saved(embedding), case.keys, refuse).stream) >= case.most // 2


# -- room


def test_room_is_kept(case):
    stream = case.sealed(case.most)
    saved = case.saved(case.embed(stream))
    assert case.codec.extract(saved, case.keys, _size(stream)).stream[: len(stream)] == stream
    assert case.reveal(saved) == case.codec.envelope.unseal(stream, case.keys)


def test_room_is_the_same_every_time_and_within_the_limit(case):
    room = case.codec.capacity(case.host, case.wish, silent)
    assert room == case.codec.capacity(case.opened(), case.wish, silent)
    assert 0 <= room.safe <= room.most <= case.codec.limit(case.host)


def test_what_is_too_much_is_refused(case):
    limit = case.codec.limit(case.host)
    with pytest.raises(CapacityError) as error:
        case.codec.embed(case.host, bytes(limit + 1), case.keys, case.wish, silent)
    assert error.value.needed == limit + 1
    assert error.value.available == case.most


@pytest.mark.parametrize("level", [0, 128])
def test_a_host_without_colours_is_told_as_it_is(case, level):
    flat = case.opened(np.full((64, 66, 3), level, np.uint8))
    room, keys = (
        case.codec.capacity(flat, case.wish, silent),
        Keyring(None)(case.codec.salt(flat), shared=case.codec.shared_salt),
    )
    with pytest.raises(RevealError):
        case.reveal(flat, keys)
    if room.most < case.overhead:
        with pytest.raises(CapacityError):
            case.codec.embed(flat, case.sealed(room.most + case.overhead, keys), keys, case.wish, silent)
    else:
        container = case.codec.embed(flat, case.sealed(case.overhead, keys), keys, case.wish, silent).carrier
        assert case.reveal(container, keys).data == b""


# -- disturbance


def test_grades_tell_of_many_sizes_what_disturbance_tells_of_one(case):
    if not isinstance(case.codec, Graded):
        pytest.skip("it does not tell")
    grades = case.codec.grades(case.host, silent)
    assert grades.sizes == tuple(sorted(set(grades.sizes)))
    assert grades.disturbances == tuple(sorted(grades.disturbances))
    assert (grades.sizes[0], grades.sizes[-1]) == (0, case.most)
    for size in (case.most // 8, case.most // 3, case.most):
        assert grades.at(size) == pytest.approx(case.codec.disturbance(case.host, size), rel=0.15)
    flat = case.opened(np.full_like(HOST, 128))
    assert case.codec.grades(flat, silent) is None


def test_disturbance_grows_with_what_is_hidden(case):
    sizes = [0, case.most // 10, case.most // 3, case.most]
    found = [case.codec.disturbance(case.host, size) for size in sizes]
    if found[0] is None:
        assert found == [None] * len(found)
        assert case.codec.capacity(case.host, case.wish, silent).safe == 0  # who cannot tell does not promise
        return
    assert found[0] > 0
    assert all(np.diff(found) > 0)
    assert case.codec.disturbance(case.host, case.codec.limit(case.host) + 1) is None


def test_a_container_is_judged_as_its_host_was(case, embedding):
    expected = case.codec.disturbance(case.host, case.most // 2)
    assert (embedding.disturbance is None) == (expected is None)
    if expected is not None:
        assert embedding.disturbance == pytest.approx(expected, rel=0.3)
    evidence = case.codec.evidence(case.host)
    assert evidence is None or len(evidence.splitlines()) == 1
    judgement = judge_disturbance(evidence, embedding.disturbance)
    assert len(judgement.reason.splitlines()) == 1


# -- progress


@pytest.mark.parametrize("work", ["capacity", "embed"])
def test_progress_rises_to_one(case, work):
    told: list[float] = []
    if work == "capacity":
        case.codec.capacity(case.host, case.wish, told.append)
    else:
        case.codec.embed(case.host, case.sealed(200), case.keys, case.wish, told.append)
    assert told == sorted(told)
    assert 0 <= told[0] <= told[-1] == 1


@pytest.mark.parametrize("work", ["extract", "disturbance"])
def test_progress_of_what_may_end_early_rises(case, embedding, work):
    told: list[float] = []
    if work == "extract":
        saved = case.saved(embedding)
        size = partial(case.codec.envelope.stream_size, keys=case.keys)
        case.codec.extract(saved, case.keys, size, progress=told.append)
    else:
        case.codec.disturbance(case.host, 100, told.append)
    assert told == sorted(told)
    assert all(0 <= share <= 1 for share in told)


# -- files


def test_what_is_changed_on_the_way_is_noticed(case, embedding):
    """One level of gray at one pixel; or the picture of another size."""
    saved = case.saved(embedding)
    case.codec.check(case.host, saved)
    picture = case.picture(saved)
    brighter = picture.copy()
    brighter[5, 7] = np.where(picture[5, 7].max() < 255, picture[5, 7] + 1, picture[5, 7] - 1)
    transparent = np.dstack([picture, np.full(picture.shape[:2], 200, np.uint8)])
    for foreign in (brighter, transparent, picture[1:], picture[:, ::-1]):
        with pytest.raises(SelfCheckError):
            case.codec.check(case.host, case.opened(np.ascontiguousarray(foreign)))


def test_what_is_changed_on_the_way_reveals_nothing_else(case, embedding):
    """The payload, or RevealError: never another one."""
    right = case.reveal(case.saved(embedding))
    rng = np.random.default_rng(3)
    picture = case.picture(case.saved(embedding))
    for share in (0.001, 0.05):
        altered = picture.copy()
        places = rng.random(picture.shape[:2]) < share
        altered[places] ^= rng.integers(0, 4, (int(places.sum()), 3), np.uint8)
        with suppress(RevealError):
            carrier = case.opened(altered)
            keys = Keyring(None)(case.codec.salt(carrier))
            assert case.reveal(carrier, keys) == right


def test_losses_are_told_or_refused(case):
    """Of a host with all that a picture can have: transparency and a colour profile."""
    image = Image.fromarray(np.dstack([HOST, np.full(HOST.shape[:2], 99, np.uint8)]))
    image.info["icc_profile"] = b"0123456789abcdefRGB profile"
    rich = case.opened(image)
    for suffix in case.codec.formats:
        try:
            notes = case.codec.losses(rich, suffix)
        except UsageError:
            with pytest.raises(UsageError, match=suffix):
                case.codec.encode(rich, suffix)
            continue
        assert all(note and len(note.splitlines()) == 1 for note in notes)
        case.codec.check(rich, case.codec.open(Source(case.codec.encode(rich, suffix))))
    assert case.codec.losses(case.host, case.codec.formats[0]) == []
    assert case.codec.losses(rich, case.codec.formats[0]) == []  # the usual one loses nothing
