"""Mapping: the paper's algorithms 1 and 2, and soft decisions that are as sure as they are right."""

from __future__ import annotations

import math
import os
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stegcinn.codecs.cinn.mapping import (
    ALPHA,
    MAX_LLR,
    bits_to_latents,
    bits_to_latents_near,
    information,
    latents_to_bits,
    log_likelihood_ratio,
    magnitudes,
    standard_normal,
)
from stegcinn.sealing.keys import Keys, Keystream

N = 200_000


def keyed(seed=0):
    return Keystream(Keys(bytes([seed]) * 32), "test")


def bits(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2, count).astype(np.uint8)


def erf(x):
    return np.array([math.erf(t) for t in x])


def distance(samples, cdf):
    """Kolmogorov's distance times sqrt(n): above 2 once in 1500 times, above 3 once in 30 million."""
    x = np.sort(samples)
    steps = np.arange(len(x) + 1) / len(x)
    f = cdf(x)
    return max(np.abs(f - steps[1:]).max(), np.abs(f - steps[:-1]).max()) * math.sqrt(len(x))


def normal_cdf(x):
    return (1 + erf(x / math.sqrt(2))) / 2


# -- normal samples


@pytest.mark.parametrize("random", [os.urandom, keyed()], ids=["system", "keyed"])
def test_standard_normal(random):
    z = standard_normal(N, random)
    assert z.dtype == np.float32
    assert z.shape == (N,)
    assert distance(z, normal_cdf) < 3
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        spread = math.sqrt(math.prod(range(1, 2 * power, 2)) / N)
        assert abs((z.astype(np.float64) ** power).mean() - moment) < 6 * spread
    # what Box and Muller make in pairs is independent
    half = N // 2
    for other in (z[half:], np.roll(z[:half], 1)):
        assert abs(np.mean(z[:half] * other)) < 6 / math.sqrt(half)
        assert abs(np.mean((z[:half] ** 2 - 1) * (other**2 - 1))) < 12 / math.sqrt(half)


def test_standard_normal_follows_its_stream():
    np.testing.assert_array_equal(standard_normal(1001, keyed(1)), standard_normal(1001, keyed(1)))
    assert (standard_normal(1001, keyed(1)) != standard_normal(1001, keyed(2))).any()


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_standard_normal_of_any_count(count):
    assert standard_normal(count, os.urandom).shape == (count,)


@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_standard_normal_is_finite_at_both_ends(byte):
    assert np.isfinite(standard_normal(16, lambda n: byte * n)).all()


# -- algorithms 1 and 2


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 400), st.integers(0, 1000), st.sampled_from([0.0, ALPHA, 0.5, 1.0]))
def test_latents_lie_on_their_side_of_the_dead_zone(count, seed, alpha):
    sent = bits(count, seed)
    z = bits_to_latents(sent, os.urandom, alpha=alpha)
    assert z.dtype == np.float32
    assert (np.abs(z) > alpha).all()
    np.testing.assert_array_equal(z > 0, sent == 1)
    np.testing.assert_array_equal(latents_to_bits(z), sent)


def test_latents_are_a_half_normal_beyond_the_dead_zone():
    sent = bits(N)
    z = bits_to_latents(sent, keyed())
    inner = math.erf(ALPHA / math.sqrt(2))

    def cdf(x):
        return (erf(x / math.sqrt(2)) - inner) / (1 - inner)

    assert distance(z[sent == 1], cdf) < 2
    assert distance(-z[sent == 0], cdf) < 2
    assert np.abs(z).min() < ALPHA + 1e-3


def test_magnitudes_are_those_of_the_latents():
    np.testing.assert_array_equal(magnitudes(5000, keyed(3)), np.abs(bits_to_latents(bits(5000), keyed(3))))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 400), st.integers(0, 1000), st.sampled_from([0.0, ALPHA, 1.0]))
def test_latents_near_a_host_are_the_same_draws_in_another_order(count, seed, alpha):
    sent = bits(2 * count, seed).reshape(2, count)
    host = np.random.default_rng(seed).normal(0, 2, sent.shape).astype(np.float32)
    z = bits_to_latents_near(sent, host, keyed(seed % 256), alpha=alpha)
    assert z.dtype == np.float32
    assert z.shape == sent.shape
    assert (np.abs(z) > alpha).all()
    np.testing.assert_array_equal(latents_to_bits(z), sent)
    np.testing.assert_array_equal(
        np.sort(np.abs(z), axis=None), np.sort(magnitudes(2 * count, keyed(seed % 256), alpha=alpha))
    )


@pytest.mark.parametrize("seed", range(10))
def test_latents_near_a_host_are_the_nearest_arrangement(seed):
    sent = bits(6, seed)
    host = np.random.default_rng(seed).normal(size=6).astype(np.float32)
    z = bits_to_latents_near(sent, host, keyed(seed))
    sign = np.where(sent == 1, 1, -1)
    best = min(((sign * order - host) ** 2).sum() for order in permutations(np.abs(z)))
    assert ((z - host) ** 2).sum() == pytest.approx(best, rel=1e-5)


def test_a_host_that_agrees_is_nearly_kept():
    sent = bits(N)
    host = bits_to_latents(sent, keyed(1))
    z = bits_to_latents_near(sent, host, keyed(2))
    assert np.sqrt(np.mean((z - host) ** 2)) < 0.02
    assert np.sqrt(np.mean((bits_to_latents(sent, keyed(2)) - host) ** 2)) > 0.5


def test_latents_keep_the_shape_of_the_bits():
    sent = bits(6 * 8 * 5).reshape(6, 8, 5)
    z = bits_to_latents(sent, os.urandom)
    assert z.shape == sent.shape
    np.testing.assert_array_equal(latents_to_bits(z), sent)


def test_latents_follow_their_stream():
    sent = bits(1000)
    np.testing.assert_array_equal(bits_to_latents(sent, keyed(1)), bits_to_latents(sent, keyed(1)))
    assert (bits_to_latents(sent, os.urandom) != bits_to_latents(sent, os.urandom)).all()


def test_zero_reads_as_one():
    read = latents_to_bits(np.array([-1, -1e-30, 0, 1e-30, 1], np.float32))
    assert read.dtype == np.uint8
    assert read.tolist() == [0, 0, 1, 1, 1]


# -- soft decisions


def densities(z, sigma, alpha):
    """P(z | bit 0) and P(z | bit 1) by numerical integration over the sent latent, up to a common factor."""
    width = 12 * sigma / math.sqrt(1 + sigma**2)
    centre = z / (1 + sigma**2)
    result = []
    for low, high in ((centre - width, -alpha), (alpha, centre + width)):
        if low < alpha < high:
            low = max(low, alpha)
        if low < -alpha < high:
            high = min(high, -alpha)
        if high <= low:
            result.append(0.0)
            continue
        t = np.linspace(low, high, 200_001)
        density = np.exp(-(t**2) / 2 - (z - t) ** 2 / (2 * sigma**2))
        result.append(float(((density[1:] + density[:-1]) / 2).sum() * (t[1] - t[0])))
    return result


@pytest.mark.parametrize("alpha", [0.0, ALPHA, 0.5])
@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.7, 2.0])
@pytest.mark.parametrize("z", [-2.0, -0.3, -0.05, 0.0, 0.11, 0.6, 1.5, 3.5])
def test_llr_is_the_integral(z, sigma, alpha):
    p0, p1 = densities(z, sigma, alpha)
    exact = math.inf if p1 == 0 else -math.inf if p0 == 0 else math.log(p0 / p1)
    llr = float(log_likelihood_ratio(np.float32([z]), sigma, alpha=alpha)[0])
    if abs(exact) < 20:
        assert llr == pytest.approx(exact, abs=2e-4)
    else:
        assert math.copysign(1, llr) == math.copysign(1, exact)
        assert 19 < abs(llr) <= MAX_LLR


@pytest.mark.parametrize("outliers", [0.001, 0.005, 0.1])
@pytest.mark.parametrize("z", [-0.7, -0.2, 0.05, 0.4])
def test_llr_with_outliers_is_the_mixture(z, outliers):
    p0, p1 = densities(z, 0.3, ALPHA)
    exact = math.log(((1 - outliers) * p0 + outliers * p1) / ((1 - outliers) * p1 + outliers * p0))
    llr = log_likelihood_ratio(np.float32([z]), 0.3, outliers=outliers)
    assert float(llr[0]) == pytest.approx(exact, abs=2e-4)


@pytest.mark.parametrize("outliers", [0.0, 0.01])
@pytest.mark.parametrize("sigma", [0.02, 0.3, 1.0, 5.0])
def test_llr_is_odd_and_falls_with_z(sigma, outliers):
    z = np.linspace(-6, 6, 2401, dtype=np.float32)
    llr = log_likelihood_ratio(z, sigma, outliers=outliers)
    assert llr.dtype == np.float32
    assert llr.shape == z.shape
    np.testing.assert_allclose(llr, -log_likelihood_ratio(-z, sigma, outliers=outliers), atol=1e-5)
    assert (np.diff(llr.astype(np.float64)) <= 1e-5).all()
    assert llr[0] > 0 > llr[-1]
    assert llr[1200] == pytest.approx(0, abs=1e-5)


def test_more_noise_is_less_sure():
    sigma = np.array([0.05, 0.1, 0.3, 1, 3, 10], np.float32)
    llr = log_likelihood_ratio(np.full(6, 0.3, np.float32), sigma)
    assert (llr < 0).all()
    assert (np.diff(llr) > 0).all()


def test_noise_is_taken_per_latent():
    z, sigma = np.random.default_rng(1).normal(size=(2, 3, 50)).astype(np.float32)
    sigma = np.abs(sigma) + np.float32(0.1)
    both = log_likelihood_ratio(z, sigma)
    assert both.shape == (3, 50)
    assert both[1, 7] == pytest.approx(float(log_likelihood_ratio(z[1, 7:8], float(sigma[1, 7]))[0]), abs=1e-5)


@pytest.mark.parametrize("outliers", [0.001, 0.005, 0.1, 0.4])
def test_outliers_bound_what_can_be_believed(outliers):
    limit = math.log((1 - outliers) / outliers)
    llr = log_likelihood_ratio(np.float32([-8, 8]), 0.02, outliers=outliers)
    np.testing.assert_allclose(llr, [limit, -limit], rtol=1e-4)
    many = log_likelihood_ratio(np.linspace(-9, 9, 999, dtype=np.float32), 0.1, outliers=outliers)
    assert np.abs(many).max() <= limit * (1 + 1e-6)


def test_sure_decisions_are_finite():
    for sigma in (1e-3, 0.02, 1.0):
        llr = log_likelihood_ratio(np.float32([-1e6, -40, -1, 1, 40, 1e6]), sigma)
        assert np.isfinite(llr).all()
        assert np.abs(llr).max() <= MAX_LLR
        np.testing.assert_array_equal(llr > 0, [True] * 3 + [False] * 3)


# -- information


def test_information_of_sure_and_of_empty_decisions():
    sent = np.array([0, 1, 1, 0], np.uint8)
    sure = np.where(sent == 1, -30, 30).astype(np.float32)
    assert information(sure, sent).mean() == pytest.approx(1, abs=1e-6)
    assert information(np.zeros(4, np.float32), sent).mean() == pytest.approx(0, abs=1e-12)
    assert information(-sure, sent).mean() < -10
    # one sure mistake in four is worse than knowing nothing
    sure[0] = -sure[0]
    assert information(sure, sent).mean() < 0


def test_information_of_a_binary_channel():
    # errors at a known rate f, told as such: the capacity 1 - H(f)
    f = 0.11
    sent = bits(N)
    wrong = np.arange(N) < f * N
    llr = np.where((sent == 1) ^ wrong, -1, 1) * math.log((1 - f) / f)
    entropy = -f * math.log2(f) - (1 - f) * math.log2(1 - f)
    assert information(llr.astype(np.float32), sent).mean() == pytest.approx(1 - entropy, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "outliers"), [(0.3, 0.0), (0.8, 0.0), (0.5, 0.02)])
def test_soft_decisions_are_calibrated(sigma, outliers):
    rng = np.random.default_rng(5)
    sent = bits(N, 5)
    noisy = np.where(rng.random(N) < outliers, 1 - sent, sent).astype(np.uint8)
    read = bits_to_latents(noisy, keyed(5)) + rng.normal(0, sigma, N).astype(np.float32)
    llr = log_likelihood_ratio(read, sigma, outliers=outliers)

    # of the bits believed to be 1 with probability p, a share p is 1
    believed = 1 / (1 + np.exp(llr.astype(np.float64)))
    for low in np.arange(0, 1, 0.1):
        chosen = (believed >= low) & (believed < low + 0.1)
        count = chosen.sum()
        assert count > 500
        assert abs(sent[chosen].mean() - believed[chosen].mean()) < 5 * 0.5 / math.sqrt(count)

    # calibrated decisions carry the channel's mutual information: I(bit; z) by integration
    grid = np.linspace(-8, 8, 161)
    p = np.array([densities(z, sigma, ALPHA) for z in grid])
    p = p @ [[1 - outliers, outliers], [outliers, 1 - outliers]]
    share = p / p.sum(axis=1, keepdims=True)
    entropy = -(share * np.log2(np.maximum(share, 1e-300))).sum(axis=1)
    exact = 1 - (entropy * p.sum(axis=1)).sum() / p.sum()
    assert information(llr, sent).mean() == pytest.approx(exact, abs=6 / math.sqrt(N))


def test_wrong_noise_costs_information():
    rng = np.random.default_rng(6)
    sent = bits(N, 6)
    read = bits_to_latents(sent, keyed(6)) + rng.normal(0, 0.5, N).astype(np.float32)
    told = {s: information(log_likelihood_ratio(read, s), sent).mean() for s in (0.15, 0.5, 2.0)}
    assert told[0.5] > max(told[0.15], told[2.0]) + 0.01
