"""A reversible method that keeps the gray-scale."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from photos import crop, resized
from stegcinn.carriers.luma import luma_of
from stegcinn.errors import CapacityError
from stegcinn.evaluation.baselines import graykeeping
from stegcinn.evaluation.baselines.graykeeping import hide, restore


def bits(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, count, np.uint8)


def hosts() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    photo = resized("chelsea", 64, 96)
    saturated = np.clip(photo.astype(int) * 2 - 120, 0, 255).astype(np.uint8)
    return {
        "photo": photo, "camera": crop("coffee", 72, 64, 90, 200), "saturated": saturated,
        "noise": rng.integers(0, 256, (40, 48, 3), np.uint8), "flat": np.full((48, 64, 3), (90, 130, 30), np.uint8),
        "high": resized("astronaut", 96, 30),
    }  # fmt: skip


@pytest.mark.parametrize("name", hosts())
@pytest.mark.parametrize("load", [0.0, 0.02, 0.3])
def test_payload_and_host_come_back_and_the_gray_never_changes(name: str, load: float) -> None:
    host = hosts()[name]
    payload = bits(round(load * host[..., 0].size))
    try:
        container = hide(host, payload)
    except CapacityError:
        assert name == "noise"  # its errors are too large for anything
        return
    assert np.array_equal(np.asarray(Image.fromarray(container).convert("L")), luma_of(host))
    assert not np.array_equal(container, host)
    read, restored = restore(container)
    assert np.array_equal(read, payload)
    assert np.array_equal(restored, host)


def test_flags_tell_apart_what_was_left_and_what_became_the_like() -> None:
    """Beside the limits of the colours pixels stay, and others come to look as if they had to stay."""
    host = hosts()["saturated"]
    flags = []

    class Stack(list):
        def append(self, bit: int) -> None:
            flags.append(bit)
            super().append(bit)

    canvas = graykeeping._Canvas.of(host)
    stack, start = Stack(bits(4000).tolist()), host.shape[1] * 4
    pixels = range(start, start + 1500)
    for at in pixels:
        canvas.write(at, 2, stack)
    assert set(flags) == {0, 1}
    assert (canvas.image() == host).all(-1).ravel()[list(pixels)].any()
    for at in pixels[::-1]:
        canvas.read(at, 2, stack)
    assert np.array_equal(canvas.image(), host)
    assert np.array_equal(list(stack), bits(4000))


def test_errors_grow_by_a_step_at_most_and_come_apart() -> None:
    """Expanded ones lie between the shifted ones: all results differ."""
    for step in (1, 3):
        cases = [(e, bit) for e in range(-9, 10) for bit in ((0, 1) if -step <= e < step else (0,))]
        results = [graykeeping._expanded(e, step, bit) for e, bit in cases]
        assert len(set(results)) == len(results)
        assert all(abs(graykeeping._expanded(e, step, 0) - e) <= step for e in range(-9, 10))


def test_greens_that_keep_the_gray() -> None:
    host = hosts()["noise"]
    canvas = graykeeping._Canvas.of(host)
    for at in range(200):
        red, green, blue = host.reshape(-1, 3)[at].tolist()
        every = np.stack([np.full(256, red), np.arange(256), np.full(256, blue)], -1).astype(np.uint8)
        expected = np.flatnonzero(luma_of(every) == luma_of(host).ravel()[at])
        found = canvas.greens(at, red, blue)
        assert list(found) == expected.tolist()
        assert green in found
        assert len(found) <= 2


def test_smooth_places_come_first() -> None:
    host = np.concatenate(
        [np.full((64, 48, 3), 120, np.uint8), np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)], 1
    )
    changed = (hide(host, bits(600)) != host).any(-1)[4:]
    assert changed[:, 1:46].mean() > 0.05
    assert not changed[:, 50:].any()


def test_the_load_is_net_of_what_it_takes_to_undo() -> None:
    host = hosts()["photo"]
    made = graykeeping.embed(host, 0.25, np.random.default_rng(1))
    assert len(restore(made)[0]) == round(0.25 * 64 * 96)
    assert np.array_equal(made, graykeeping.embed(host, 0.25, np.random.default_rng(1)))
    assert not np.array_equal(made, graykeeping.embed(host, 0.25, np.random.default_rng(2)))


def test_too_much_is_refused() -> None:
    host = hosts()["photo"][:32]
    with pytest.raises(CapacityError) as error:
        hide(host, bits(3 * 32 * 96))
    assert 0 < error.value.available < error.value.needed == 3 * 32 * 96 // 8
    with pytest.raises(CapacityError):
        hide(host[:4, :4], bits(1))
