"""The kernels of the Spatial Rich Model, by their properties."""

from __future__ import annotations

import numpy as np
import torch

from stegcinn.evaluation.steganalysis.filters import KV, Residuals, kv_kernel, srm_kernels

CLASSES = {"first": range(8), "second": range(8, 12), "third": range(12, 20), "square3": range(20, 21),
           "edge3": range(21, 25), "square5": range(25, 26), "edge5": range(26, 30)}  # fmt: skip
CENTRAL = {"first": -1, "second": -2, "third": -3, "square3": -4, "edge3": -4, "square5": -12, "edge5": -12}


def orbit(kernel: np.ndarray) -> set[bytes]:
    """The kernel under the eight symmetries of the square."""
    return {np.rot90(flipped, turns).tobytes() for flipped in (kernel, kernel.T) for turns in range(4)}


def test_thirty_different_kernels_that_sum_to_zero() -> None:
    kernels = srm_kernels()
    assert kernels.shape == (30, 5, 5)
    assert len({kernel.tobytes() for kernel in kernels}) == 30
    assert (kernels.sum((1, 2)) == 0).all()


def test_central_coefficients() -> None:
    kernels = srm_kernels()
    for name, places in CLASSES.items():
        assert {float(kernels[place, 2, 2]) for place in places} == {CENTRAL[name]}, name


def test_every_class_is_closed_under_the_symmetries_of_the_square() -> None:
    kernels = srm_kernels()
    for name, places in CLASSES.items():
        mine = {kernels[place].tobytes() for place in places}
        assert set().union(*(orbit(kernels[place]) for place in places)) == mine, name


def test_a_kernel_of_each_class_as_printed() -> None:
    kernels = srm_kernels()
    assert kernels[0, 2].tolist() == [0, 0, -1, 1, 0]
    assert kernels[8, 2].tolist() == [0, 1, -2, 1, 0]
    assert kernels[12, 2].tolist() == [0, 1, -3, 3, -1]
    assert kernels[21, 1:3, 1:4].tolist() == [[-1, 2, -1], [2, -4, 2]]
    assert not kernels[21, 3:].any()
    assert kernels[25].tolist() == [list(row) for row in KV]


def test_orders_of_differences_are_blind_to_polynomials() -> None:
    """A k-th order difference vanishes on polynomials of degree k - 1 and not on all of degree k."""
    rows, columns = np.mgrid[-2:3, -2:3].astype(np.float64)
    slope = 3 * rows + 5 * columns
    for order, name in enumerate(("first", "second", "third"), 1):
        for place in CLASSES[name]:
            kernel = srm_kernels()[place]
            assert all(abs((kernel * slope**degree).sum()) < 1e-6 for degree in range(order))
            assert abs((kernel * slope**order).sum()) > 1


def test_the_kv_kernel_is_symmetric_and_normalised() -> None:
    kernel = kv_kernel()
    assert len(orbit(kernel)) == 1
    assert kernel[2, 2] == -1
    assert abs(kernel.sum()) < 1e-6


def test_residuals_filter_each_plane_on_its_own() -> None:
    x = torch.zeros(1, 3, 9, 9)
    x[0, 1, 4, 4] = 1  # an impulse in green shows the kernels of green, mirrored
    out = Residuals(srm_kernels(), 3)(x)
    assert out.shape == (1, 90, 9, 9)
    assert not out[:, :30].any()
    assert not out[:, 60:].any()
    shown = out[0, 30:60, 2:7, 2:7].flip(1, 2)
    assert torch.equal(shown, torch.from_numpy(srm_kernels()))
    assert not Residuals(srm_kernels(), 3).kernels.requires_grad
