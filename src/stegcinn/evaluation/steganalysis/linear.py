"""Logistic regression on statistics of images, its ridge chosen by cross-validation over the training hosts."""

from __future__ import annotations

import numpy as np

from stegcinn.runtime.arrays import Bool, Float64, Int64

RIDGES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)  # weights of the squared coefficients beside the mean loss, to choose from
FOLDS = 4  # of the training hosts, to choose by
NEWTON_STEPS = 30
TINY = 1e-9


def accuracy(covers: Float64, stegos: Float64, train: Int64, test: Int64) -> float:
    """Balanced accuracy on the hosts `test` of a logistic regression trained on the hosts `train`."""
    return float(correct(covers, stegos, train, test).mean())


def correct(covers: Float64, stegos: Float64, train: Int64, test: Int64) -> Bool:
    """Which covers and which stegos of the hosts `test` are classified right, (2, len(test)), trained on `train`.

    The regression's ridge is the one that does best when each part of the training hosts is left out once.
    """
    return _correct(covers, stegos, train, test, _best(covers, stegos, train)[0])


def judged(covers: Float64, stegos: Float64, train: Int64, test: Int64) -> tuple[float, float]:
    """`accuracy`, and the same on training hosts that were left out: what is known of the rule before any test."""
    ridge, validation = _best(covers, stegos, train)
    return float(_correct(covers, stegos, train, test, ridge).mean()), validation


def _best(covers: Float64, stegos: Float64, train: Int64) -> tuple[float, float]:
    """The ridge that does best when each part of the training hosts is left out once, and its accuracy."""

    def cross_validated(ridge: float) -> float:
        parts = [train[fold::FOLDS] for fold in range(min(FOLDS, len(train)))]
        scores = [_correct(covers, stegos, np.setdiff1d(train, part), part, ridge).mean() for part in parts]
        return float(np.mean(scores))

    scores = {ridge: cross_validated(ridge) for ridge in RIDGES}
    best = max(RIDGES, key=scores.__getitem__)
    return best, scores[best]


def _correct(covers: Float64, stegos: Float64, train: Int64, test: Int64, ridge: float) -> Bool:
    """`correct` with one ridge."""
    x = np.concatenate([covers[train], stegos[train]])
    y = np.repeat([0.0, 1.0], len(train))
    centre, scale = x.mean(0), x.std(0) + TINY
    weights = _logistic_regression((x - centre) / scale, y, ridge)
    cover, stego = (_scores((part[test] - centre) / scale, weights) > 0 for part in (covers, stegos))
    return np.stack([~cover, stego])


def _scores(x: Float64, weights: Float64) -> Float64:
    scores: Float64 = x @ weights[1:] + weights[0]
    return scores


def _logistic_regression(x: Float64, y: Float64, weight: float) -> Float64:
    """Intercept and coefficients of the least mean log loss plus `weight` times their squares, by Newton's method."""
    x = np.column_stack([np.ones(len(x)), x])
    ridge = np.full(x.shape[1], weight)
    ridge[0] = TINY
    weights = np.zeros(x.shape[1])
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - y) / len(y) + 2 * ridge * weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x / len(y) + np.diag(2 * ridge)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return weights
