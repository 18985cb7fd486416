"""Hou, Zhang, Chen, Lin, Yu: *Reversible Data Hiding in Color Image with Grayscale Invariance* (TCSVT 2018).

Red and blue carry bits by the expansion of prediction errors, and green is adjusted so that the gray-scale stays what
it was. Whoever reads the payload gets the host back as well, exactly.

From the paper's abstract; where that leaves a choice, the one that is best for the method: the gray-scale, which does
not change, helps to predict red and blue and says where they are smooth; of the one or two greens that keep it, the
adjusted one has the place that the host's had, so that a bit has to be kept only where two became one. Such auxiliary
bits are carried with the payload. As each is pushed on the stack from which later pixels take what they carry, and
pixels are read in the opposite order, none has to be known in advance but a short header.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stegcinn.carriers.luma import LUMA_WEIGHTS, luma_of
from stegcinn.errors import CapacityError
from stegcinn.runtime.arrays import Int16, UInt8

Bits = npt.NDArray[np.uint8]
STEPS = range(1, 16)  # by how much errors are shifted to make room; errors from -step to step - 1 carry a bit
STEP_BITS, COUNT_BITS, REST_BITS = 4, 28, 6  # of the header: the step, pixels that were changed, the rest's length ...
REST = 2**REST_BITS - 1  # ... and the rest, which no pixel carries
HEADER = STEP_BITS + COUNT_BITS + REST_BITS + REST
KEPT = 0.15  # bits of a pixel, at least, that it takes to undo it; steps that have no room then are not tried
RED_WEIGHT, GREEN_WEIGHT, BLUE_WEIGHT = LUMA_WEIGHTS
HALF = 1 << 15


def embed(image: UInt8, bpp: float, rng: np.random.Generator) -> UInt8:
    """Random bits, `bpp` per pixel net of all auxiliary ones, in an (H, W, 3) image.

    CapacityError if it does not take as many.
    """
    return hide(image, rng.integers(0, 2, round(bpp * image[..., 0].size), np.uint8))


def hide(image: UInt8, payload: Bits) -> UInt8:
    """The payload, bits that look random, in an (H, W, 3) image with the least step that has room for it.

    CapacityError if none has.
    """
    most = 0
    errors = _errors(image)
    for step in STEPS:
        room = int(((errors >= -step) & (errors < step)).sum() - KEPT * image[..., 0].size)
        if room < len(payload):
            most = max(most, room)
            continue
        canvas = _Canvas.of(image)
        head = canvas.head()
        if head is None:
            break
        stack = payload.tolist()
        for at in head:
            canvas.keep(at, stack)
        count = canvas.fill(canvas.order(head), step, stack)
        if len(stack) <= REST:
            fields = ((step, STEP_BITS), (count, COUNT_BITS), (len(stack), REST_BITS))
            bits = [value >> place & 1 for value, length in fields for place in range(length)] + stack
            for at, bit in zip(head, bits, strict=False):
                canvas.mark(at, bit)
            return canvas.image()
        most = max(most, len(payload) - len(stack))
    raise CapacityError(-(-len(payload) // 8), most // 8)


def restore(container: UInt8) -> tuple[Bits, UInt8]:
    """Payload and host of what `hide` made."""
    canvas = _Canvas.of(container)
    head = canvas.head() or []
    bits = iter([canvas.red[at] & 1 for at in head])
    step, count, length = (_number(bits, size) for size in (STEP_BITS, COUNT_BITS, REST_BITS))
    stack = [next(bits) for _ in range(length)]
    for at in canvas.order(head)[:count][::-1]:
        canvas.read(at, step, stack)
    for at in head[::-1]:
        canvas.unmark(at, stack)
    return np.array(stack, np.uint8), canvas.image()


@dataclass
class _Canvas:
    """An image on its way from host to container, or back: samples in raster order, and the gray that stays."""

    height: int
    width: int
    red: list[int]
    green: list[int]
    blue: list[int]
    gray: list[int]

    @classmethod
    def of(cls, image: UInt8) -> _Canvas:
        red, green, blue = (image[..., channel].ravel().tolist() for channel in range(3))
        return cls(image.shape[0], image.shape[1], red, green, blue, luma_of(image).ravel().tolist())

    def image(self) -> UInt8:
        planes = np.array([self.red, self.green, self.blue], np.uint8)
        return np.moveaxis(planes.reshape(3, self.height, self.width), 0, -1).copy()

    def greens(self, at: int, red: int, blue: int) -> range:
        """All that keep the gray, one or two; none for colours that have no green of this gray."""
        least = (self.gray[at] << 16) - HALF - RED_WEIGHT * red - BLUE_WEIGHT * blue
        return range(max(0, -(-least // GREEN_WEIGHT)), min(255, (least + 0xFFFF) // GREEN_WEIGHT) + 1)

    def head(self) -> list[int] | None:
        """The first pixels whose lowest red bit can be either, which have the header; None if they are too few."""
        found = []
        for at, red in enumerate(self.red):
            if self.greens(at, red, self.blue[at]) and self.greens(at, red ^ 1, self.blue[at]):
                found.append(at)
                if len(found) == HEADER:
                    return found
        return None

    def keep(self, at: int, stack: list[int]) -> None:
        """Push what the header will overwrite."""
        greens = self.greens(at, self.red[at], self.blue[at])
        if len(greens) > 1:
            stack.append(greens.index(self.green[at]))
        stack.append(self.red[at] & 1)

    def mark(self, at: int, bit: int) -> None:
        """Write a bit of the header."""
        self.red[at] = self.red[at] & ~1 | bit
        self.green[at] = self.greens(at, self.red[at], self.blue[at])[0]

    def unmark(self, at: int, stack: list[int]) -> None:
        """Undo `mark`."""
        self.red[at] = self.red[at] & ~1 | stack.pop()
        greens = self.greens(at, self.red[at], self.blue[at])
        self.green[at] = greens[stack.pop() if len(greens) > 1 else 0]

    def order(self, head: Sequence[int]) -> list[int]:
        """Pixels away from the header, those first around which the gray is smooth."""
        first = (head[-1] // self.width + 2) * self.width
        gray = np.array(self.gray, np.float64).reshape(self.height, self.width)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(gray, 1, mode="edge"), (3, 3))
        order: list[int] = (first + np.argsort(windows.var((-2, -1)).ravel()[first:], kind="stable")).tolist()
        return order

    def fill(self, order: Sequence[int], step: int, stack: list[int]) -> int:
        """Write in pixels until the stack is nearly empty; how many were written."""
        for count, at in enumerate(order):
            if len(stack) <= REST:
                return count
            self.write(at, step, stack)
        return len(order)

    def predicted(self, at: int) -> tuple[int, int]:
        """Red and blue: the pixel's gray, and what its neighbours above, below and beside differ from theirs."""
        gray, width, column = self.gray, self.width, at % self.width
        near = [at - width] if at >= width else []
        near += [at + width] if at < len(gray) - width else []
        near += [at - 1] if column else []
        near += [at + 1] if column < width - 1 else []
        count, light = len(near), sum([gray[n] for n in near])
        red, blue = (
            gray[at] + (2 * (sum([channel[n] for n in near]) - light) + count) // (2 * count)
            for channel in (self.red, self.blue)
        )
        return min(255, max(0, red)), min(255, max(0, blue))

    def expandable(self, at: int, step: int, guess: tuple[int, int]) -> bool:
        """Whether all that the errors of red and blue may become are colours with a green."""
        reds, blues = (
            {before + _expanded(channel[at] - before, step, bit) for bit in (0, 1)}
            for channel, before in zip((self.red, self.blue), guess, strict=True)
        )
        return all(
            0 <= red <= 255 and 0 <= blue <= 255 and bool(self.greens(at, red, blue)) for red in reds for blue in blues
        )

    def write(self, at: int, step: int, stack: list[int]) -> None:
        """Pop what the pixel carries, and push what it takes to undo it."""
        guess = self.predicted(at)
        if not self.expandable(at, step, guess):
            stack.append(1)
            return
        greens = self.greens(at, self.red[at], self.blue[at])
        place = greens.index(self.green[at])
        for channel, before in zip((self.red, self.blue), guess, strict=True):
            error = channel[at] - before
            channel[at] = before + _expanded(error, step, stack.pop() if -step <= error < step else 0)
        after = self.greens(at, self.red[at], self.blue[at])
        self.green[at] = after[min(place, len(after) - 1)]
        if len(greens) > len(after):
            stack.append(place)
        if not self.expandable(at, step, guess):
            stack.append(0)

    def read(self, at: int, step: int, stack: list[int]) -> None:
        """Undo `write`."""
        guess = self.predicted(at)
        if not self.expandable(at, step, guess) and stack.pop():
            return
        after = self.greens(at, self.red[at], self.blue[at])
        carried = []
        for channel, before in zip((self.red, self.blue), guess, strict=True):
            error = channel[at] - before
            if -2 * step <= error < 2 * step:
                carried.append(error & 1)
                error >>= 1
            else:
                error += -step if error > 0 else step
            channel[at] = before + error
        greens = self.greens(at, self.red[at], self.blue[at])
        place = stack.pop() if len(greens) > len(after) else min(after.index(self.green[at]), len(greens) - 1)
        self.green[at] = greens[place]
        stack += carried[::-1]


def _errors(image: UInt8) -> Int16:
    """Of the predictions of red and blue in a host that is not changed yet, about: (2, H, W)."""
    difference = image[..., ::2].astype(np.int16) - luma_of(image)[..., None]
    near = np.pad(difference, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = near[:-2, 1:-1] + near[2:, 1:-1] + near[1:-1, :-2] + near[1:-1, 2:]
    return np.moveaxis(difference - (around + 2) // 4, -1, 0)


def _expanded(error: int, step: int, bit: int) -> int:
    """What becomes of a prediction error."""
    if -step <= error < step:
        return 2 * error + bit
    return error + step if error > 0 else error - step


def _number(bits: Iterator[int], size: int) -> int:
    return sum(next(bits) << place for place in range(size))
