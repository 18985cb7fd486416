"""The jobs: a photo and a method each. The container is made once and kept; then it is sent through the channels."""

from __future__ import annotations

import hashlib
import io
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stegcinn.carriers.base import Source
from stegcinn.errors import StegcinnError
from stegcinn.evaluation.benchmark.survival.methods import Method
from stegcinn.evaluation.channels.channel import Channel, decoded
from stegcinn.evaluation.channels.encoders import saved
from stegcinn.evaluation.channels.steps import resized
from stegcinn.files import replacing
from stegcinn.runtime.arrays import UInt8

SAME, LOST, WRONG, NOT_SENT = "same", "lost", "wrong", "not sent"  # what became of a payload


@dataclass(frozen=True)
class Job:
    """A method, a photo by its name in the folder, and the channels that are left for its container."""

    method: str
    photo: str
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """Facts of the container, or why there is none; and what became of it by channel: SAME, LOST, WRONG, NOT_SENT."""

    container: dict[str, int | float | str]
    arrivals: dict[str, str]


def run_job(job: Job, folder: Path, out: Path, seed: int) -> Outcome:
    """Make or read the container of a job and send it through its channels.

    The payload depends on photo, method and `seed`; what a codec draws by itself is the system's, as in real use.
    """
    method = Method.parse(job.method)
    name = f"{job.method} {job.photo}".encode(errors="surrogateescape")
    path = out / "containers" / hashlib.sha256(name).hexdigest()[:24]
    try:
        host = (folder / job.photo).read_bytes()
        pixels = Source(host).photo().pixels
        payload = np.random.default_rng((seed, *name)).bytes(method.size(pixels))
        file = path.read_bytes() if path.exists() else method.hide(host, payload)
    except (StegcinnError, OSError) as error:
        return Outcome({"refused": str(error)}, {})
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_bytes(file)
    facts: dict[str, int | float | str] = {
        "bytes": len(payload), "pixels": pixels, "file": len(file), "error": error_of(host, file),
    }  # fmt: skip
    return Outcome(facts, {channel: _arrival(method, payload, file, channel) for channel in job.channels})


def _arrival(method: Method, payload: bytes, file: bytes, channel: str) -> str:
    try:
        arrived = Channel.parse(channel).send(file)
    except (StegcinnError, OSError, ValueError, subprocess.TimeoutExpired) as error:  # as of an encoder's own limits
        return f"{NOT_SENT}: {error}"
    back = method.reveal(arrived, len(payload))
    return LOST if back is None else SAME if back == payload else WRONG


def error_of(host: bytes, container: bytes) -> float:
    """Mean squared error of a container's picture against the same photo sent without a payload.

    That is the host; scaled, where the sender scales; and saved as a JPEG with the container's own tables and
    sampling, where the sender makes one of it.
    """
    with Image.open(io.BytesIO(container)) as image:
        tables = getattr(image, "quantization", None)
        sampling = _sampling(image) if tables else None
    with Image.open(io.BytesIO(host)) as image:
        as_it_is = getattr(image, "quantization", None) == tables
    made, innocent = decoded(container), decoded(host)
    if made.shape != innocent.shape:
        innocent, as_it_is = resized(innocent, made.shape[1], made.shape[0], "lanczos"), False
    if tables and not as_it_is:
        innocent = decoded(saved(innocent, "JPEG", qtables=tables, subsampling=sampling))
    return _squared(innocent, made)


def _sampling(jpeg: Image.Image) -> str:
    layer = jpeg.layer  # type: ignore[attr-defined]  # of a JPEG: name and factors of each component
    across, down = layer[0][1] // layer[1][1], layer[0][2] // layer[1][2]
    return {(1, 1): "4:4:4", (2, 1): "4:2:2"}.get((across, down), "4:2:0")


def _squared(a: UInt8, b: UInt8) -> float:
    return float(np.mean((a.astype(np.float32) - b) ** 2, dtype=np.float64))
