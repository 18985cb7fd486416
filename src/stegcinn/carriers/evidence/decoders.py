"""The colours that decoders of JPEG, WebP and AVIF can make: lattices that hold one RGB triple in four to six.

A decoder has luma and chroma (Y, Cb, Cr) as integers of 8 bits and makes of them, by integer arithmetic, the sum of a
term for luma and one or two for chroma, of which it drops the fraction. Which triples come of it depends on how the
terms are rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from stegcinn.carriers.luma import luma_of
from stegcinn.runtime.arrays import Bool, Int32, Int64, UInt8

SPAN = 511  # values of a difference of two channels, -255..255
_NEAR = 3  # values of Y that a pixel's gray value leaves: the neutral gray of Y is at most one level away from it
_NONE = 256  # no chroma
_NEVER = 1 << 28  # a term that no sum gets into range
_CODES = np.arange(256, dtype=np.int64)
_CHROMA = _CODES - 128


@dataclass(frozen=True, eq=False)
class Decoder:
    """Each channel is `(luma[Y] + its terms) >> shift`; the terms rise with Cr in `red`, with Cb in `blue`.

    `kind`: the files that it decodes. All terms are (256,) int64, those of chroma 128 being for gray.
    """

    kind: str
    shift: int
    luma: Int64
    red: Int64
    blue: Int64
    green_of_cb: Int64
    green_of_cr: Int64

    @cached_property
    def is_plain(self) -> bool:
        """Whether Y adds itself to all channels, so that differences of channels tell all."""
        return np.array_equal(self.luma, _CODES << self.shift)

    @cached_property
    def pairs(self) -> Bool:
        """Which (red - green, blue - green) come of any chroma in a plain decoder, (SPAN * SPAN,), see `pairs_of`."""
        red, blue = self.red[None, :] >> self.shift, self.blue[:, None] >> self.shift
        green = (self.green_of_cb[:, None] + self.green_of_cr) >> self.shift
        red, blue = red - green, blue - green
        inside = (np.abs(red) <= 255) & (np.abs(blue) <= 255)
        found = np.zeros(SPAN * SPAN, bool)
        found[(red[inside] + 255) * SPAN + blue[inside] + 255] = True
        return found

    @cached_property
    def _first(self) -> Int32:
        """By gray value, the least Y whose neutral gray is no more than one level below."""
        neutral = (self.luma + self.red[128]) >> self.shift
        return np.searchsorted(neutral, _CODES - 1).astype(np.int32)

    def _chroma(self, terms: Int64) -> Int32:
        """Of which chroma a value of red or blue comes by these terms, at [256 * Y + value]; _NONE where of none."""
        values = (self.luma[:, None] + terms) >> self.shift
        luma, chroma = np.nonzero((values >= 0) & (values <= 255))
        found = np.full(256 * 256, _NONE, np.int32)
        found[256 * luma + values[luma, chroma]] = chroma
        return found

    @cached_property
    def _cr(self) -> Int32:
        return self._chroma(self.red)

    @cached_property
    def _cb(self) -> Int32:
        return self._chroma(self.blue)

    @cached_property
    def _greens(self) -> tuple[Int32, Int32, Int32]:
        """Terms of luma, Cb and Cr; of _NONE a chroma that makes no green."""
        of_cb, of_cr = (np.append(terms, _NEVER).astype(np.int32) for terms in (self.green_of_cb, self.green_of_cr))
        return self.luma.astype(np.int32), of_cb, of_cr

    def makes(self, rgb: UInt8) -> Bool:
        """Which unclipped pixels (..., 3) the decoder can have made; those with a channel at 0 or 255 may be wrong."""
        if self.is_plain:
            return self.pairs[pairs_of(rgb)]
        luma, of_cb, of_cr = self._greens
        red, green, blue = (rgb[..., c].astype(np.int32) for c in range(3))
        first, found = self._first[luma_of(rgb)], np.zeros(rgb.shape[:-1], bool)
        for step in range(_NEAR):
            y = np.minimum(first + step, 255)
            cr, cb = self._cr[(y << 8) + red], self._cb[(y << 8) + blue]
            found |= (luma[y] + of_cb[cb] + of_cr[cr]) >> self.shift == green
        return found


def pairs_of(rgb: UInt8) -> Int32:
    """The differences of red and blue to green of pixels (..., 3) as one number, of SPAN * SPAN."""
    red, green, blue = (rgb[..., c].astype(np.int32) for c in range(3))
    return (red - green) * SPAN + (blue - green) + (255 * SPAN + 255)


@cache
def decoders() -> tuple[Decoder, ...]:
    """Those that are known, JPEG's first."""
    half = 1 << 15
    red, blue = 91881 * _CHROMA, 116130 * _CHROMA  # 1.402 and 1.772 in units of 2**-16
    of_cb, of_cr = -22554 * _CHROMA, -46802 * _CHROMA  # 0.344136 and 0.714136
    plain = _CODES << 16
    eighth = 359 * _CHROMA, 454 * _CHROMA, -88 * _CHROMA, -183 * _CHROMA  # the same in units of 2**-8
    return (
        # libjpeg and libjpeg-turbo, jdcolor.c; rounding floating point gives the same but for 3 in 1,000
        Decoder("JPEG", 16, plain, red + half, blue + half, of_cb + half, of_cr),
        # stb_image, stbi__YCbCr_to_RGB_row: 12 bits of fraction, and 4 for the part of Cb in green
        Decoder(
            "JPEG",
            12,
            _CODES << 12,
            5743 * _CHROMA + 2048,
            7258 * _CHROMA + 2048,
            ((-1410 * _CHROMA << 8) & -0x10000) >> 8,
            -2925 * _CHROMA + 2048,
        ),
        # truncated floating point, which has no other values with 28 bits of fraction
        Decoder(
            "JPEG", 28, _CODES << 28, *(_CHROMA * round(term * 2**28) for term in (1.402, 1.772, -0.344136, -0.714136))
        ),
        # 8 bits of fraction: rounded (libheif), dropped, and dropped from what green loses
        Decoder("JPEG or HEIC", 8, _CODES << 8, eighth[0] + 128, eighth[1] + 128, eighth[2] + 128, eighth[3]),
        Decoder("JPEG or HEIC", 8, _CODES << 8, *eighth),
        Decoder("JPEG or HEIC", 8, _CODES << 8, eighth[0], eighth[1], eighth[2] + 255, eighth[3]),
        # libyuv, kYuvJPEGConstants: AVIF of full range in Pillow
        Decoder("AVIF", 6, _CODES << 6, 90 * _CHROMA + 31, 113 * _CHROMA + 31, -22 * _CHROMA + 31, -46 * _CHROMA),
        # libwebp, src/dsp/yuv.h
        Decoder(
            "WebP",
            6,
            _CODES * 19077 >> 8,
            (_CODES * 26149 >> 8) - 14234,
            (_CODES * 33050 >> 8) - 17685,
            8708 - (_CODES * 6419 >> 8),
            -(_CODES * 13320 >> 8),
        ),
        # libyuv, kYuvI601Constants: AVIF of limited range in Pillow
        Decoder(
            "AVIF", 6, (_CODES * (257 * 18997) >> 16) - 1160, 102 * _CHROMA, 128 * _CHROMA, -25 * _CHROMA, -52 * _CHROMA
        ),
        # Go, image/color: YCbCrToRGB
        Decoder("JPEG", 16, _CODES * 0x10101, red, blue, of_cb, of_cr),
    )
