"""The discrete colour model of the `exact` codec: small integer networks that predict colours given luma and context.

Everything a network computes is an integer that float32 holds exactly: activations 0..255, weights -64..64, sums below
2**24. Training keeps real-valued weights behind the integers (straight-through estimator, Bengio et al. 2013), so what
is trained is bit for bit what runs. The bounds suit 8-bit matrix instructions, whose pairwise sums saturate at 2**15.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from torch import Tensor, nn

from stegcinn.carriers.luma import LUMA_WEIGHTS
from stegcinn.colourmodel import cells, mixture
from stegcinn.colourmodel.cells import CENTRE, CHANNELS, GATHER, PHASES, PLACES, RADIUS, UNIT

MAX_ACTIVATION = 255
MAX_WEIGHT = 64
INPUT_SHIFT, HIDDEN_SHIFT, OUTPUT_SHIFT = 5, 7, 6  # an activation is its sum over 2**shift, rounded half to even
# widths of the hidden layers (kernel sizes KERNELS) at level 0, level 1, and all coarser levels, which share weights
WIDTHS = ((48, 32, 32), (64, 48, 48), (64, 64, 64))
KERNELS = (1, 3, 3)
DILATIONS = (1, 1, 2)  # with KERNELS they make cells.RADIUS


def _round(x: Tensor) -> Tensor:
    """Round half to even; the gradient passes straight through."""
    return x + (torch.round(x) - x).detach()


def _clamp(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp; the gradient stops outside only where it would lead further out."""
    return _Clamp.apply(x, low, high)  # type: ignore[no-any-return,no-untyped-call]


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, low, high):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        ctx.bounds = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        low, high = ctx.bounds
        stuck = ((x < low) & (gradient > 0)) | ((x > high) & (gradient < 0))
        return gradient.masked_fill(stuck, 0), None, None


class IntegerConv(nn.Module):
    """A convolution without padding over integers 0..255 whose outputs are integers 0..255 again."""

    def __init__(self, inputs: int, outputs: int, kernel: int, shift: int, *, dilation: int = 1, centre: int = 0):
        super().__init__()
        self.shift, self.dilation, self.centre = shift, dilation, centre
        std = min(math.sqrt(2 / (inputs * kernel * kernel)), MAX_WEIGHT / 2**shift / 2)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * std)
        self.bias = nn.Parameter(torch.zeros(outputs))  # in units of 32 output steps, which suits the learning rate

    def integers(self) -> tuple[Tensor, Tensor]:
        """Integer weights (O, I, k, k) and bias (O,) of the plain sum over inputs 0..255; gradients pass."""
        weight = _round(_clamp(self.weight * 2**self.shift, -MAX_WEIGHT, MAX_WEIGHT))
        bias = _round(self.bias * 32 * 2**self.shift)
        return weight, bias - self.centre * weight.sum((1, 2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, h, w) -> (N, O, h', w'), integer-valued float32."""
        weight, bias = self.integers()
        if self.centre:  # the same integers, in smaller numbers for reduced-precision training
            total = F.conv2d(
                x - self.centre, weight, bias + self.centre * weight.sum((1, 2, 3)), dilation=self.dilation
            )
        else:
            total = F.conv2d(x, weight, bias, dilation=self.dilation)
        return _clamp(_round(total * 2.0**-self.shift), 0, MAX_ACTIVATION)


class PhaseNet(nn.Module):
    """Features of one phase (N, C, h + 2 RADIUS, w + 2 RADIUS) -> parameters (N, mixture.PARAMETERS, h, w), 0..255."""

    def __init__(self, channels: int, widths: tuple[int, ...]):
        super().__init__()
        layers: list[nn.Module] = []
        for i, (width, kernel, dilation) in enumerate(zip(widths, KERNELS, DILATIONS, strict=True)):
            first = i == 0
            layers.append(
                IntegerConv(
                    channels,
                    width,
                    kernel,
                    INPUT_SHIFT if first else HIDDEN_SHIFT,
                    dilation=dilation,
                    centre=CENTRE if first else 0,
                )
            )
            channels = width
        head = IntegerConv(channels, mixture.PARAMETERS, 1, OUTPUT_SHIFT)
        head.weight.data *= 0.3
        head.bias.data = torch.tensor(mixture.START, dtype=torch.float32) / 32
        self.layers = nn.Sequential(*layers, head)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layers(x)
        return output


class Shown(nn.Module):
    """`cells.features` as one convolution over the planes of all places: the same integers in few operations."""

    def __init__(self, phase: int):
        super().__init__()
        self.phase = phase
        coloured, gray = cells.COLOURED[phase], cells.GRAY[phase]
        rows: list[list[tuple[int, cells.Neighbour, int]]] = []  # of (plane, neighbour, weight)
        for plane in (1, 2):
            mean = [(plane, n, -1) for n in coloured[: cells.NEAREST]]
            rows += [[(plane, n, cells.NEAREST), *mean] for n in coloured]
        here = cells.Neighbour(phase + 1, 0, 0)
        rows += [[(0, n, 1), (0, here, -1)] for n in (*coloured, *gray)]
        rows += [[(plane, n, 1) for n in coloured[: cells.NEAREST]] for plane in (1, 2)]
        rows.append([(0, here, 1)])
        side = 2 * GATHER + 1
        kernel = torch.zeros(len(rows), 3 * len(PLACES), side, side)
        for row, terms in zip(kernel, rows, strict=True):
            for plane, n, weight in terms:
                row[3 * n.place + plane, GATHER + n.down, GATHER + n.right] += weight
        self.kernel: Tensor
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, planes: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Planes (N, 3 * places, ...) of Y, r, b per place -> features (N, C, ...), inner guesses (N, 2, h, w)."""
        total = F.conv2d(planes, self.kernel)
        quarters = total[:, -3:-1]
        told = torch.full_like(total[:, :1], min(level, cells.LEVELS_TOLD) * (256 // (cells.LEVELS_TOLD + 1)))
        shown = (total[:, :-3], torch.floor(quarters / cells.NEAREST))
        x = torch.cat([*(t + CENTRE for t in shown), total[:, -1:], told], dim=1).clamp(0, 255)
        inner = quarters[..., RADIUS:-RADIUS, RADIUS:-RADIUS] * (UNIT // cells.NEAREST)
        return x.contiguous(memory_format=torch.channels_last), inner


class ColourModel(nn.Module):
    """Networks for three phases of level 0, of level 1, and of all coarser levels; shapes of the distributions."""

    def __init__(self, widths: tuple[tuple[int, ...], ...] = WIDTHS):
        super().__init__()
        self.widths = widths
        self.shown = nn.ModuleList(Shown(phase) for phase in range(len(PHASES)))
        self.nets = nn.ModuleList(nn.ModuleList(PhaseNet(channels, width) for channels in CHANNELS) for width in widths)
        self.shape = nn.Parameter(torch.zeros(len(widths), mixture.SYMBOLS, len(mixture.SLOPES)))
        with torch.no_grad():
            self.shape[..., mixture.SLOPES.index(1.0)] = 3.0
        self.root = nn.Parameter(torch.tensor(mixture.START, dtype=torch.float32).repeat(mixture.ROOT_BINS, 1) / 32)

    def net(self, group: int, phase: int) -> PhaseNet:
        """The network of a phase at level `group`, the last group serving all coarser levels too."""
        nets = self.nets[group]
        assert isinstance(nets, nn.ModuleList)
        net = nets[phase]
        assert isinstance(net, PhaseNet)
        return net

    def code_lengths(self, rgb: Tensor, y: Tensor, first: int, last: int) -> list[Tensor]:
        """Bits of every pixel settled at the levels first..last, given the true colours of all settled before.

        `rgb` (N, 3, H, W) integer-valued float32 0..255 of luma `y` (N, 1, H, W), H and W multiples of 2**(last + 1).
        -> per level (SYMBOLS, 3 phases, N, H / 2**(level+1), W / 2**(level+1)).
        """
        levels = range(first, last + 1)
        groups = [min(level, len(self.widths) - 1) for level in levels]
        cells_of = [self._cells(rgb, y, level, group) for level, group in zip(levels, groups, strict=True)]
        result = []
        for group in sorted(set(groups)):  # one call for all levels of a group: many small ones would starve a GPU
            members = [c for c, g in zip(cells_of, groups, strict=True) if g == group]
            joined = (torch.cat([t.flatten(1) for t in same], dim=1) for same in zip(*members, strict=True))
            parameters, rest = (t for t in joined)
            bits = self._bits(parameters, rest[0], rest[1], self.shape[group], *rest[2:])
            shapes = [parameters.shape[1:] for parameters, _ in members]
            parts = torch.split(bits, [shape.numel() for shape in shapes], dim=1)
            result += [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]
        return result

    def _cells(self, rgb: Tensor, y: Tensor, level: int, group: int) -> tuple[Tensor, Tensor]:
        """Parameters (PARAMETERS, 3, N, h, w) of a level, and (6, 3, N, h, w): guesses of r and b, luma, r, g, b."""
        stride = 2**level
        planes = torch.cat([y, rgb[:, :1] - y, rgb[:, 2:] - y], dim=1)[:, :, ::stride, ::stride]  # Y, r, b
        places = torch.cat([planes[:, :, i::2, j::2] for i, j in PLACES], dim=1)
        padded = F.pad(places, [GATHER + RADIUS] * 4, mode="replicate")
        parameters, rest = [], []
        for phase, (i, j) in enumerate(PHASES):
            x, guesses = self.shown[phase](padded, level)
            parameters.append(self.net(group, phase)(x).transpose(0, 1))
            true = rgb[:, :, i * stride :: 2 * stride, j * stride :: 2 * stride].transpose(0, 1)
            rest.append(torch.cat([guesses.transpose(0, 1), places[None, :, 3 * phase + 3], true]))
        return torch.stack(parameters, dim=1), torch.stack(rest, dim=1)

    def root_bits(self, rgb: Tensor, y: Tensor) -> Tensor:
        """Bits of single pixels given their luma alone: (N, 3), (N,) -> (SYMBOLS, N); for the coarsest pixel of all."""
        bins = (y.long() * mixture.ROOT_BINS) // 256
        parameters = _clamp(_round(self.root * 32), 0, MAX_ACTIVATION)[bins].T
        zero = torch.zeros_like(y)
        return self._bits(parameters, zero, zero, self.shape[-1], y, *rgb.T)

    def _bits(self, p: Tensor, guess_r: Tensor, guess_b: Tensor, shape: Tensor, y: Tensor, r: Tensor, g: Tensor,
              b: Tensor) -> Tensor:  # fmt: skip
        weights = torch.softmax(shape, dim=-1)
        return code_length(p, guess_r, guess_b, weights, y, r, g, b)


def code_length(p: Tensor, guess_r: Tensor, guess_b: Tensor, shape: Tensor, y: Tensor, r: Tensor, g: Tensor,
                b: Tensor) -> Tensor:  # fmt: skip
    """Bits of (r, b, g) under parameters `p` (PARAMETERS, *S): the real-valued, differentiable form of the tables.

    Guesses, luma and colours are of shape S, `shape` (SYMBOLS, len(SLOPES)) holds shares. -> (SYMBOLS, *S).
    """
    wr, wg, wb = LUMA_WEIGHTS
    red, blue = p[: mixture.BLUE], p[mixture.BLUE : mixture.SLOPE]
    low = ((65536 * y - 32768 - 255 * (wg + wb)) / wr).clamp(min=0).ceil()
    high = ((65536 * y + 32767) / wr).clamp(max=255).floor()
    bits_r = _mixture_bits(red, guess_r, y, r, low, high, shape[0])
    rest = 65536 * y - wr * r
    low = ((rest - 32768 - 255 * wg) / wb).clamp(0, 255).ceil()
    high = ((rest + 32767) / wb).clamp(0, 255).floor()
    slope = (p[mixture.SLOPE] - mixture.ZERO) / mixture.SLOPE_UNIT
    follow = guess_b + slope * (UNIT * (r - y) - guess_r)
    bits_b = _mixture_bits(blue, follow, y, b, low, high, shape[1])
    centre = (rest - wb * b) / wg
    low = ((rest - wb * b - 32768) / wg).clamp(min=0).ceil()
    high = ((rest - wb * b + 32767) / wg).clamp(max=255).floor()
    mean = centre + (p[mixture.GREEN] - mixture.ZERO) / mixture.GREEN_UNIT
    inverse = (8 / mixture.SCALE_MIN) * torch.exp2(-p[mixture.GREEN_SCALE] / mixture.SCALE_STEP)
    mass = _logistic_mass((g - mean)[None], inverse[None], (g <= low)[None], (g >= high)[None], shape[2])[0]
    return torch.stack([bits_r, bits_b, -torch.log2(mass + FLOOR)])


FLOOR = 2.0**-28  # the tables give every possible symbol at least one count of about as many


def _mixture_bits(p: Tensor, guess: Tensor, y: Tensor, v: Tensor, low: Tensor, high: Tensor, shape: Tensor) -> Tensor:
    k = mixture.K
    weight = torch.softmax(p[:k] * (math.log(2) / mixture.WEIGHT_STEP), dim=0)
    mean = (p[k : 2 * k] - mixture.ZERO) / UNIT + (p[2 * k : 3 * k] - mixture.ZERO) + guess / UNIT + y
    inverse = (1 / mixture.SCALE_MIN) * torch.exp2(-p[3 * k : 4 * k] / mixture.SCALE_STEP)
    mass = _logistic_mass(v - mean, inverse, v <= low, v >= high, shape)
    return -torch.log2((weight * mass).sum(0) + FLOOR)


def _logistic_mass(d: Tensor, inverse: Tensor, first: Tensor, last: Tensor, shape: Tensor) -> Tensor:
    """Mass within half a level of distance `d`; the first and the last value take all that lies beyond them."""
    up, down = (torch.stack([(d + e) * inverse * slope for slope in mixture.SLOPES]) for e in (0.5, -0.5))
    # differences of sigmoids on the side away from the mean keep their precision: mirror where d > 0
    mirror = d > 0
    inside = torch.sigmoid(torch.where(mirror, -down, up)) - torch.sigmoid(torch.where(mirror, -up, down))
    mass = torch.where(first, torch.sigmoid(up), torch.where(last, torch.sigmoid(-down), inside))
    total = torch.tensordot(shape, mass, dims=1)
    return torch.where(first & last, torch.ones_like(total), total)
