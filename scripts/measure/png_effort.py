"""What zlib's levels cost in time and bytes, for a PNG of a photo with noise in its colours.

python scripts/measure/png_effort.py [--megapixels 1 12]

A photo that comes with scikit-image, enlarged, with normal noise of 2.5 levels. Processor seconds, the least of three.
"""

from __future__ import annotations

import argparse
import io
import time

import numpy as np
from PIL import Image
from skimage import data

LEVELS = (2, 4, 6)
NOISE = 2.5


def photo(megapixels: float) -> Image.Image:
    unit = round((megapixels * 1e6 / 12) ** 0.5)
    large = Image.fromarray(data.astronaut()).resize((4 * unit, 3 * unit), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, NOISE, (3 * unit, 4 * unit, 3))
    return Image.fromarray((np.asarray(large) + noise).round().clip(0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 12], help="sizes (default: 1 and 12)")
    for megapixels in parser.parse_args().megapixels:
        image = photo(megapixels)
        for level in LEVELS:
            seconds = []
            for _ in range(3):
                buffer, begun = io.BytesIO(), time.process_time()
                image.save(buffer, "PNG", compress_level=level)
                seconds.append(time.process_time() - begun)
            size = len(buffer.getvalue())
            header = buffer.getvalue().partition(b"IDAT")[2][:2].hex()
            print(f"{megapixels:g} megapixels, level {level}: {min(seconds):.2f} s, {size:,} bytes, header {header}")


if __name__ == "__main__":
    main()
