"""The integer networks: they are integer, stay exact in float32, and compute the same everywhere."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch
from safetensors.torch import load_file

from stegcinn.carriers.luma import luma_of
from stegcinn.colourmodel import cells, mixture
from stegcinn.colourmodel.cells import CHANNELS, PHASES
from stegcinn.runtime.weights import release
from stegcinn.training.colourmodel import network as exact
from stegcinn.training.colourmodel.export import tables
from stegcinn.training.colourmodel.network import ColourModel, IntegerConv, PhaseNet, code_length

EXACT = 2**24  # every integer up to here is a float32
pytestmark = pytest.mark.usefixtures("one_thread")
NETWORKS = [(group, phase) for group in range(3) for phase in range(len(PHASES))]


@pytest.fixture(scope="module")
def model() -> ColourModel:
    weights = release("exact-1")
    model = ColourModel(tuple(tuple(w) for w in weights.config["widths"])).eval()
    model.load_state_dict(load_file(str(weights.folder / "exact.safetensors")))
    return model


def shown(phase: int, seed: int, size: tuple[int, int] = (23, 38)) -> np.ndarray:
    """Random features, and blocks of the extreme ones."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (1, CHANNELS[phase], *size), np.uint8)
    x[..., :8, :8] = rng.choice(np.array([0, 255], np.uint8), x[..., :8, :8].shape)
    x[..., -8:, :8] = 255
    x[..., :8, -8:] = 0
    return x


def by_torch(net: PhaseNet, x: np.ndarray, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """(1, P, h, w), still in `dtype`."""
    with torch.no_grad():
        return net.to(dtype)(torch.from_numpy(x).to(dtype)).numpy()


# -- one convolution


@pytest.mark.parametrize("scale", [0.01, 0.3, 3.0])
@pytest.mark.parametrize(("kernel", "dilation", "centre"), [(1, 1, 128), (3, 1, 0), (3, 2, 0)])
def test_a_convolution_gives_integers_of_8_bits(kernel, dilation, centre, scale):
    torch.manual_seed(0)
    layer = IntegerConv(5, 7, kernel, 6, dilation=dilation, centre=centre)
    with torch.no_grad():
        layer.weight.normal_(0, scale)
        layer.bias.normal_(0, 2)
        x = torch.randint(0, 256, (2, 5, 19, 20)).float()
        y = layer(x)
        weight, bias = layer.integers()
    assert torch.equal(y, y.round())
    assert y.min() >= 0
    assert y.max() <= 255
    assert len(y.unique()) > 20
    assert torch.equal(weight, weight.round())
    assert torch.equal(bias, bias.round())
    assert weight.abs().max() <= exact.MAX_WEIGHT
    # sums in Python's integers, at a few places
    reach = dilation * (kernel // 2)
    assert y.shape[2:] == (19 - 2 * reach, 20 - 2 * reach)
    for n, o, i, j in [(0, 0, 0, 0), (1, 6, 3, 9), (0, 3, 14, 15)]:
        total = int(bias[o])
        for c in range(5):
            for di in range(kernel):
                for dj in range(kernel):
                    total += int(weight[o, c, di, dj]) * int(x[n, c, i + dilation * di, j + dilation * dj])
        assert y[n, o, i, j] == min(max(round(total / 64), 0), 255)  # to even, as Python rounds


def test_halves_are_rounded_to_even():
    layer = IntegerConv(1, 1, 1, 1)
    with torch.no_grad():
        layer.weight.fill_(0.5)
        layer.bias.zero_()
        y = layer(torch.arange(8.0).reshape(1, 1, 1, 8))
    assert y.flatten().tolist() == [0, 0, 1, 2, 2, 2, 3, 4]  # 0, 0.5, 1, 1.5, ...


# -- the released networks


@pytest.mark.parametrize(("group", "phase"), NETWORKS)
def test_sums_stay_where_float32_is_exact(model, group, phase):
    for layer in model.nets[group][phase].layers:
        weight, bias = (t.detach().double() for t in layer.integers())
        assert weight.abs().max() <= exact.MAX_WEIGHT
        assert 2 * 255 * weight.abs().max() < 2**15  # pairwise sums of 8-bit matrix instructions
        bound = 255 * weight.abs().sum((1, 2, 3)) + bias.abs()
        assert bound.max() < EXACT
        # with inputs less their centre, as in training
        bias = bias + layer.centre * weight.sum((1, 2, 3))
        assert (255 * weight.abs().sum((1, 2, 3)) + bias.abs()).max() < EXACT


@pytest.mark.parametrize(("group", "phase"), NETWORKS)
def test_every_way_of_computing_gives_the_same_integers(model, group, phase):
    net = PhaseNet(CHANNELS[phase], model.widths[group])
    net.load_state_dict(model.nets[group][phase].state_dict())
    x = shown(phase, 3 * group + phase)
    expected = by_torch(net, x)
    assert np.array_equal(expected, expected.astype(np.uint8))
    assert len(np.unique(expected)) > 100
    assert expected.shape[2:] == tuple(side - 2 * exact.RADIUS for side in x.shape[2:])
    torch.set_num_threads(2)
    assert np.array_equal(by_torch(net, x), expected)
    torch.set_num_threads(1)
    with torch.no_grad():
        last = net.to(memory_format=torch.channels_last)(
            torch.from_numpy(x).float().contiguous(memory_format=torch.channels_last)
        )
    assert np.array_equal(last.numpy(), expected)
    assert np.array_equal(by_torch(net, x, torch.float64), expected)
    file = release("exact-1").read(f"level{group}-phase{phase}.onnx")
    for threads in (1, 2):
        for level in (ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
            options = ort.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = threads
            options.graph_optimization_level = level
            session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            (y,) = session.run(None, {"x": x})
            assert y.dtype == np.uint8
            assert np.array_equal(np.moveaxis(y, -1, 1), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("tf32", [False, True])
def test_cuda_gives_the_same_integers(model, tf32, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", tf32)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", tf32)
    for group, phase in NETWORKS:
        net = PhaseNet(CHANNELS[phase], model.widths[group])
        net.load_state_dict(model.nets[group][phase].state_dict())
        x = shown(phase, 3 * group + phase, (64, 70))
        expected = by_torch(net, x)
        with torch.no_grad():
            y = net.cuda()(torch.from_numpy(x).float().cuda()).cpu().numpy()
        assert np.array_equal(y, expected), (group, phase)


def test_released_tables_are_those_of_the_weights(model):
    """At least up to what another machine's exponential function may round differently."""
    for name, table in tables(model).items():
        released = release("exact-1").array(f"{name}.npy")
        assert released.shape == table.shape
        assert np.abs(released.astype(int) - table).max() <= 1


# -- learning


def crops(n: int, side: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    base = 128 + 60 * np.sin(x / 7 + seed) * np.cos(y / 9)
    rgb = base[None, None] + rng.normal(0, 10, (n, 3, side, side)) + np.array([20, 0, -20])[:, None, None]
    return torch.from_numpy(np.clip(rgb, 0, 255).round().astype(np.float32))


def luma(rgb: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(luma_of(rgb.permute(0, 2, 3, 1).byte().numpy()).astype(np.float32))[:, None]


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    model = ColourModel(((6, 5, 4),) * 3)
    rgb = crops(2, 64)
    y = luma(rgb)
    loss = model.root_bits(rgb[:, :, 0, 0], y[:, 0, 0, 0]).sum()
    loss += sum(level.sum() for level in model.code_lengths(rgb, y, 0, 4))
    loss.backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.slow
def test_a_step_down_the_gradient_shortens_the_code():
    torch.manual_seed(0)
    model = ColourModel(((8, 8, 8),) * 3)
    rgb = crops(2, 32)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    bits = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = sum(level.sum(0).mean() for level in model.code_lengths(rgb, luma(rgb), 0, 2))
        loss.backward()
        optimizer.step()
        bits.append(float(loss.detach()))
    assert bits[-1] < bits[0] - 0.5


@pytest.mark.parametrize(("value", "upstream", "passes"), [(-1.0, 1.0, False), (-1.0, -1.0, True), (5.0, 1.0, True),
                                                           (5.0, -1.0, False), (1.3, 1.0, True)])  # fmt: skip
def test_rounding_passes_gradients_and_clamping_those_that_lead_back(value, upstream, passes):
    x = torch.tensor([value], requires_grad=True)
    y = exact._clamp(exact._round(x), 0, 3)
    assert y.item() == min(max(round(value), 0), 3)
    (upstream * y).sum().backward()
    assert x.grad.item() == (upstream if passes else 0)


# -- distributions


def parameter_sets() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    ordinary = np.clip(rng.normal(np.array(mixture.START), 20, (3, mixture.PARAMETERS)), 0, 255).round()
    return [np.array(mixture.START, float), *ordinary, rng.integers(0, 256, mixture.PARAMETERS).astype(float)]


@pytest.fixture(scope="module")
def lumas() -> np.ndarray:
    """Luma of all colours: (256, 256, 256) by red, green, blue."""
    r, g, b = np.ogrid[:256, :256, :256]
    return ((19595 * r + 38470 * g + (7471 * b + 32768)).astype(np.int32) >> 16).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("y", [0, 1, 37, 130, 254, 255])
def test_chances_of_all_colours_sum_to_one(lumas, y):
    colours = torch.from_numpy(np.stack(np.nonzero(lumas == y))).double()
    n = colours.shape[1]
    shape = torch.softmax(torch.tensor([[0.0, 3.0, 0.0], [0.5, 1.0, -0.5], [-1.0, 1.0, 2.0]]).double(), -1)
    for seed, parameters in enumerate(parameter_sets()):
        p = torch.from_numpy(parameters)[:, None].expand(-1, n)
        guess_r, guess_b = (torch.full((n,), v).double() for v in np.random.default_rng(seed).integers(-300, 300, 2))
        bits = code_length(p, guess_r, guess_b, shape, torch.full((n,), y).double(), *colours)
        assert bits.shape == (3, n)
        assert bits.min() > -1e-5
        assert torch.exp2(-bits.sum(0)).sum().item() == pytest.approx(1, abs=2e-5)


def test_code_lengths_are_those_of_the_parameters(model):
    """Each level's bits are what `code_length` says of its networks' outputs, in the layout that is promised."""
    rgb = crops(2, 32, seed=3)
    y = luma(rgb)
    with torch.no_grad():
        levels = model.code_lengths(rgb, y, 0, 3)
        assert [tuple(level.shape) for level in levels] == [(3, 3, 2, 16 >> i, 16 >> i) for i in range(4)]
        for level, bits in enumerate(levels):
            group, stride = min(level, 2), 2**level
            parameters, rest = model._cells(rgb, y, level, group)
            shape = torch.softmax(model.shape[group], -1)
            for phase, (i, j) in enumerate(PHASES):
                expected = code_length(parameters[:, phase], *rest[:2, phase], shape, *rest[2:, phase])
                torch.testing.assert_close(bits[:, phase], expected)
                at = (
                    slice(None),
                    slice(None),
                    slice(i * stride, None, 2 * stride),
                    slice(j * stride, None, 2 * stride),
                )
                assert torch.equal(rest[3:, phase], rgb[at].transpose(0, 1))
                assert torch.equal(rest[2:3, phase], y[at].transpose(0, 1))
        half = model.code_lengths(rgb, y, 2, 3)
    for a, b in zip(half, levels[2:], strict=True):
        torch.testing.assert_close(a, b)


def test_the_level_is_told_up_to_the_last_one_that_has_a_name(model):
    planes = torch.randint(-50, 50, (1, 12, 14, 14)).float()
    told = [float(model.shown[0](planes, level)[0][0, -1].max()) for level in range(10)]
    assert told == [32.0 * min(level, cells.LEVELS_TOLD) for level in range(10)]
