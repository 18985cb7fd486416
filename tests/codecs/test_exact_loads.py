"""How much `exact` redraws: the fit of the model to a host, and loads that are tried in turn."""

from __future__ import annotations

import numpy as np
import pytest

from photos import crop
from stegcinn.carriers.photo import Photo
from stegcinn.codecs.exact.header import CODED_PHASES, SHARES
from stegcinn.codecs.exact.loads import FULL, fit, loads
from stegcinn.sealing.envelope import OVERHEAD


@pytest.fixture(scope="module")
def host() -> Photo:
    return Photo(crop("coffee", 67, 94, 120, 200))


def test_a_fit_is_the_same_every_time_and_the_hosts(exact, host):
    fits = [fit(exact.model, photo) for photo in (host, Photo(host.rgb.copy()), Photo(crop("astronaut", 67, 94)))]
    assert np.array_equal(fits[0].calibration.shifts, fits[1].calibration.shifts)
    assert fits[0].bits == fits[1].bits
    assert not np.array_equal(fits[0].calibration.shifts, fits[2].calibration.shifts)
    assert all(1 < bits < 20 for bits in fits[0].bits)


def test_noisier_hosts_get_larger_scales_and_louder_containers(exact):
    smooth = crop("chelsea", 96, 96, 60, 100)
    noise = np.random.default_rng(0).normal(0, 12, smooth.shape)
    noisy = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    fits = [fit(exact.model, Photo(rgb)) for rgb in (smooth, noisy)]
    assert fits[1].calibration.shifts.mean() > fits[0].calibration.shifts.mean() + 5
    assert sum(fits[1].bits) > sum(fits[0].bits) + 2


def test_gray_hosts_are_not_fitted(exact, host):
    gray = Photo(np.repeat(host.luma[..., None], 3, axis=-1))
    assert not fit(exact.model, gray).calibration.shifts.any()


def test_loads_grow_until_everything_is_used(exact, host):
    where = np.ones(host.luma.shape, bool)
    fitted = fit(exact.model, host)
    full, order = fitted.full("keep"), []
    for size in (OVERHEAD, 400, 1500, 3000):
        tried = list(loads(where, size, fitted, "keep"))
        assert tried[-1] == full
        assert tried == sorted(tried, key=lambda load: (-load.first, load.share))
        order.append(tried[0])
        assert set(loads(where, size, fitted, "generate")) == {FULL}
    assert order == sorted(order, key=lambda load: (-load.first, load.share))
    assert order[0].first == len(CODED_PHASES) - 1
    assert order[0].share < SHARES // 2
    assert list(loads(where, 20 * host.rgb.size, fitted, "keep")) == []  # a gigabyte is refused without a try
