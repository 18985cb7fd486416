"""Seconds per megapixel and peak memory of a codec, 0.25 to 12 megapixels; all codecs at 0.4 in the same run.

python scripts/measure/speed.py PHOTO [--codec exact] [--megapixels 0.25 1 4 12]

The photo is enlarged or cut to each size (Lanczos). Everything is loaded before the clock starts; each size runs in a
process of its own, at full load and at 0.1 bits per pixel, if it takes them. `hide` includes all preparation, PNG and
the check of the saved file; `reveal` includes reading the PNG. Also told: the share of the 8-bit matrix speed that the
networks of `exact` reach, against one large product of 8-bit matrices on all cores; that needs onnx (extra `train`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.codecs import CODECS
from stegcinn.colourmodel.cells import CHANNELS
from stegcinn.colourmodel.mixture import PARAMETERS
from stegcinn.colourmodel.networks import released
from stegcinn.evaluation.benchmark.speed import peak_mb
from stegcinn.sealing.envelope import Payload


def sized(path: Path, megapixels: float) -> np.ndarray:
    """The photo with its aspect ratio at another number of pixels."""
    image = Image.open(path).convert("RGB")
    factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    size = round(image.width * factor), round(image.height * factor)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def one(path: Path, megapixels: float, codec: str) -> dict[str, float]:
    """All timings of one size."""
    warm, word = Source(sized(path, 0.1)), Payload(b"warm")
    if stego.measure(warm, codec=codec).bytes >= len(word.data):  # some take nothing in so small a photo
        stego.uncover(Source(stego.conceal(warm, word, codec=codec).file))
    rgb = sized(path, megapixels)
    pixels = rgb[..., 0].size / 1e6
    started = time.perf_counter()
    room = stego.measure(Source(rgb), codec=codec).bytes
    row = {"megapixels": round(pixels, 3), "codec": codec, "capacity": (time.perf_counter() - started) / pixels}
    sizes = {"full": room, "0.1 bpp": int(pixels * 1e6 / 80)}
    for name, size in ((name, size) for name, size in sizes.items() if size <= room):
        payload = Payload(os.urandom(size))
        started = time.perf_counter()
        container = stego.conceal(Source(rgb), payload, codec=codec)
        hidden = time.perf_counter()
        assert stego.uncover(Source(container.file), thorough=True).data == payload.data
        row[f"hide, {name}"] = (hidden - started) / pixels
        row[f"reveal, {name}"] = (time.perf_counter() - hidden) / pixels
    row["peak MB"] = peak_mb()
    return row


def matrix_share(path: Path) -> dict[str, float]:
    """Speed of the networks alone, and of a large product of 8-bit matrices by the same library."""
    import onnxruntime as ort
    from onnx import TensorProto, helper

    n = 2048
    a, b = (np.random.default_rng(i).integers(0, 64, (n, n)) for i in (0, 1))
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [n, n]),
         helper.make_tensor_value_info("b", TensorProto.INT8, [n, n])],
        [helper.make_tensor_value_info("c", TensorProto.INT32, [n, n])],
    )  # fmt: skip
    session = ort.InferenceSession(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    feed = {"a": a.astype(np.uint8), "b": b.astype(np.int8)}
    session.run(None, feed)
    started = time.perf_counter()
    for _ in range(5):
        session.run(None, feed)
    peak = 5 * 2 * n**3 / (time.perf_counter() - started) / 1e9

    model = released()
    rgb = sized(path, 1)
    luma = np.asarray(Image.fromarray(rgb).convert("L"))
    operations = 0
    for _ in range(2):
        started, operations = time.perf_counter(), 0
        first, second, third = model.release.config["widths"][0]
        for phase, channels in enumerate(CHANNELS):
            per_cell = channels * first + 9 * first * second + 9 * second * third + third * PARAMETERS
            for part in model.parts(rgb, luma, 0, phase):
                operations += 2 * per_cell * part.tile.luma.size
        reached = operations / (time.perf_counter() - started) / 1e9
    return {"matrix product, G/s": peak, "networks with features, G/s": reached, "share": reached / peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--codec", choices=CODECS, default="exact")
    parser.add_argument("--megapixels", type=float, nargs="*", default=[0.25, 1, 4, 12])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.photo, float(arguments.one[0]), arguments.one[1])))
        return
    for megapixels, codec in [(m, arguments.codec) for m in arguments.megapixels] + [(0.4, codec) for codec in CODECS]:
        command = [sys.executable, __file__, str(arguments.photo), "--one", str(megapixels), codec]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    print({k: round(v, 2) for k, v in matrix_share(arguments.photo).items()})


if __name__ == "__main__":
    main()
