"""Mixtures summed up as one logistic each, on the released model, for every pixel of a photo."""

from __future__ import annotations

import numpy as np
import pytest

from photos import crop
from stegcinn.carriers.luma import luma_of
from stegcinn.codecs.base import silent
from stegcinn.colourmodel import cells, mixture, summary


def test_a_mixture_is_summed_up_by_its_mean_and_variance(exact):
    rgb = crop("chelsea", 64, 66, 20, 60)
    luma = luma_of(rgb)
    found = summary.summary(exact.model, rgb, luma_of(rgb), silent)
    row, column = cells.PHASES[-1]
    (part,) = exact.model.parts(rgb, luma, 0, summary.LAST_PHASE)
    for i, j in ((0, 0), (7, 20), (31, 32)):
        p = part.tile.parameters[:, i, j].astype(float)
        y, x = row + 2 * i, column + 2 * j
        off = [8 * (int(rgb[y, x, c]) - int(luma[y, x])) - int(guess[i, j])
               for c, guess in ((0, part.tile.guess_r), (2, part.tile.guess_b))]  # fmt: skip
        off[1] -= (p[mixture.SLOPE] - 128) * off[0] / 64
        for s, first in enumerate((mixture.RED, mixture.BLUE)):
            weights = mixture.weights()[p[first : first + 3].astype(int)]
            means = p[first + 3 : first + 6] - 128 + 8 * (p[first + 6 : first + 9] - 128)
            mean = np.average(means, weights=weights)
            index = np.average(p[first + 9 : first + 12], weights=weights)
            variance = (0.06 * 2 ** (index / 24)) ** 2 + 3 / np.pi**2 * np.average(
                (means - mean) ** 2, weights=weights
            ) / 64
            assert found[summary.OFF_R + s, y, x] == pytest.approx(off[s] - mean, abs=0.51)
            assert found[summary.SCALE_R + s, y, x] == pytest.approx(24 * np.log2(variance**0.5 / 0.06), abs=0.8)


@pytest.mark.parametrize(("down", "right"), [(0, 1), (1, 0), (1, 1)])
def test_what_is_expected_does_not_depend_on_where_cells_begin(exact, down, right):
    """Away from the edges: every pixel is predicted from all around it, whatever its place in its cell."""
    rgb = crop("chelsea", 97, 90, 20, 60)
    whole = summary.summary(exact.model, rgb, luma_of(rgb), silent)
    part = np.ascontiguousarray(rgb[down:, right:])
    cut = summary.summary(exact.model, part, luma_of(part), silent)
    inner = slice(24, -24)
    assert np.array_equal(cut[:, inner, inner], whole[:, down:, right:][:, inner, inner])
