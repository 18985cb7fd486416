"""Flow: both directions undo each other, and the log-determinant is the Jacobian's."""

from __future__ import annotations

import math

import pytest
import torch

from stegcinn.codecs.cinn.pyramid import CONDITION, DETAILS
from stegcinn.training.cinn.flow import CLAMP, INPUT_UNIT, LevelFlow, orthogonal
from stegcinn.training.cinn.pyramidflow import CINN, CINNConfig

TINY = CINNConfig(couplings=(2, 1), features=(4, 5), hidden=(6, 7))


@pytest.fixture(autouse=True)
def _seeded(one_thread):
    torch.manual_seed(0)


def shake(module, size=0.15):
    """Give every weight, the zero-initialised ones too, a random value."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module


def level_flow(couplings=3, features=5, hidden=6):
    """A flow with random weights, in float64, its rotations made as orthogonal as float64 allows."""
    flow = LevelFlow(DETAILS, CONDITION, couplings=couplings, features=features, hidden=hidden, seed=7)
    flow = shake(flow.double())
    for coupling in flow.couplings:
        u, _, v = torch.linalg.svd(coupling.rotation[:, :, 0, 0])
        coupling.rotation.copy_((u @ v)[:, :, None, None])
    return flow


def inputs(n=2, h=4, w=6, dtype=torch.float64):
    return 4 * torch.randn(n, DETAILS, h, w, dtype=dtype), torch.randn(n, CONDITION, h, w, dtype=dtype)


@torch.no_grad()
def test_inverse_undoes_forward():
    flow = level_flow()
    x, condition = inputs()
    z, logdet = flow(x, condition)
    back, logdet_back = flow.inverse(z, condition)
    assert z.shape == x.shape
    assert (z - x / INPUT_UNIT).abs().max() > 0.5  # something happened
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    assert logdet.shape == (2,)
    torch.testing.assert_close(logdet, -logdet_back, rtol=1e-10, atol=1e-9)
    assert logdet[0] != logdet[1]  # per image


@torch.no_grad()
def test_forward_undoes_inverse():
    flow = level_flow()
    z, condition = inputs()
    x, logdet = flow.inverse(z, condition)
    again, logdet_again = flow(x, condition)
    torch.testing.assert_close(again, z, rtol=0, atol=1e-9)
    torch.testing.assert_close(logdet, -logdet_again, rtol=1e-10, atol=1e-9)


@torch.no_grad()
def test_float32_as_it_is_run():
    flow = shake(LevelFlow(DETAILS, CONDITION, couplings=10, features=8, hidden=8, seed=0), 0.1)
    x, condition = inputs(dtype=torch.float32)
    z, _ = flow(x, condition)
    back, _ = flow.inverse(z, condition)
    assert (z - x / INPUT_UNIT).abs().max() > 0.5
    torch.testing.assert_close(back, x, rtol=0, atol=2e-3)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_logdet_is_the_jacobians(direction):
    flow = level_flow(couplings=2)
    x, condition = inputs(n=1, h=2, w=3)
    step = getattr(flow, direction)
    jacobian = torch.autograd.functional.jacobian(lambda t: step(t, condition)[0], x).reshape(x.numel(), x.numel())
    torch.testing.assert_close(step(x, condition)[1][0], torch.linalg.slogdet(jacobian)[1], rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_an_untrained_flow_only_rotates():
    flow = LevelFlow(DETAILS, CONDITION, couplings=4, features=5, hidden=6, seed=3)
    x, condition = inputs(dtype=torch.float32)
    z, logdet = flow(x, condition)
    torch.testing.assert_close(z.norm(dim=1), x.norm(dim=1) / INPUT_UNIT)
    torch.testing.assert_close(logdet, torch.full((2,), -x[0].numel() * math.log(INPUT_UNIT)))


@torch.no_grad()
def test_the_condition_counts_and_is_undone_with_it_alone():
    flow = level_flow()
    x, condition = inputs()
    z, _ = flow(x, condition)
    other = condition + 1
    assert (flow(x, other)[0] - z).abs().max() > 0.1
    assert (flow.inverse(z, other)[0] - x).abs().max() > 0.1


def test_every_weight_counts():
    flow = level_flow()
    x, condition = inputs()
    z, logdet = flow(x, condition)
    (z.square().sum() + logdet.sum()).backward()
    assert all(p.grad.abs().max() > 1e-6 for p in flow.parameters())


@torch.no_grad()
def test_log_scales_of_couplings_are_bounded():
    flow = level_flow(couplings=1)
    flow.couplings[0].out.bias += 1000
    x, condition = inputs()
    log_scale, shift = flow.couplings[0].scale_and_shift(x[:, : DETAILS // 2], flow.condition(condition))
    torch.testing.assert_close(log_scale, torch.full_like(log_scale, CLAMP))
    assert shift.min() > 500


@torch.no_grad()
def test_images_of_a_batch_do_not_mix():
    flow = level_flow()
    x, condition = inputs(n=3)
    z, logdet = flow(x, condition)
    alone, logdet_alone = flow(x[1:2], condition[1:2])
    torch.testing.assert_close(z[1:2], alone)
    torch.testing.assert_close(logdet[1:2], logdet_alone)


def test_rotations_are_orthogonal_and_fixed():
    kernel = orthogonal(DETAILS, 5)[:, :, 0, 0]
    torch.testing.assert_close(kernel @ kernel.T, torch.eye(DETAILS), atol=1e-6, rtol=0)
    assert (orthogonal(DETAILS, 5)[:, :, 0, 0] == kernel).all()
    assert (orthogonal(DETAILS, 6)[:, :, 0, 0] != kernel).all()
    rotations = [c.rotation for flow in CINN(CINNConfig()).flows for c in flow.couplings]
    assert all((a != b).all() for i, a in enumerate(rotations) for b in rotations[:i])


# -- the whole network


def test_the_paper_has_thirty_couplings():
    config = CINNConfig()
    assert sum(config.couplings) == 30
    model = CINN(config)
    assert [len(flow.couplings) for flow in model.flows] == list(config.couplings)


def test_coarse_levels_share_the_last_flow():
    model = CINN(TINY)
    assert model.flow(1) is model.flows[0]
    assert model.flow(2) is model.flow(3) is model.flow(9) is model.flows[1]
    assert model.flow(1) is not model.flow(2)


@torch.no_grad()
def test_every_level_goes_through_its_flow():
    model = shake(CINN(TINY).double())
    pairs = [inputs(n=2, h=8 >> i, w=8 >> i) for i in range(3)]
    results = model([x for x, _ in pairs], [c for _, c in pairs])
    assert len(results) == 3
    for flow, (x, c), (z, logdet) in zip((0, 1, 1), pairs, results, strict=True):
        expected, expected_logdet = model.flows[flow](x, c)
        torch.testing.assert_close(z, expected)
        torch.testing.assert_close(logdet, expected_logdet)
