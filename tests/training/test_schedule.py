"""Learning rates."""

from __future__ import annotations

import numpy as np
import pytest

from stegcinn.training.schedule import Plateau, cosine, warmup


def test_the_rate_warms_up_and_comes_down():
    rates = [warmup(step, 100) * cosine(step / 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert np.argmax(rates) == pytest.approx(99, abs=1)
    assert max(rates) == pytest.approx(1, abs=0.03)
    assert (np.diff(rates[100:]) < 0).all()
    assert rates[1000] == pytest.approx(0.02)
    assert warmup(0, 0) == 1


def test_a_plateau_divides_the_rate_by_five():
    plateau = Plateau()
    for loss in (3.0, 2.0, 1.0):
        plateau.update(loss)
    factors = []
    for _ in range(11):
        plateau.update(1.0)
        factors.append(plateau.factor)
    assert factors == pytest.approx([1, 1, 1, 1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.04, 0.04])
    plateau.update(0.5)
    assert plateau.waited == 0
    for _ in range(100):
        plateau.update(1.0)
    assert plateau.factor == Plateau.LEAST
