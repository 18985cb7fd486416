"""Detection of what is hidden in JPEG files: hosts, embedders with their loads, features kept in a folder, accuracy."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.errors import CapacityError, StegcinnError, UsageError
from stegcinn.evaluation.baselines.jpeg import embed, juniward, uerd
from stegcinn.evaluation.steganalysis import jpegrich
from stegcinn.files import replacing
from stegcinn.runtime.arrays import Float32
from stegcinn.sealing.envelope import Payload
from stegcinn.stego import conceal

Simulate = Callable[[JpegFile, float, np.random.Generator], JpegFile]  # of some bits
SIMULATED: dict[str, Simulate] = {
    "flat": lambda jpeg, bits, rng: embed.at_bound(jpeg, embed.flat, bits, rng),
    "nsf5": embed.nsf5,
    "uerd": lambda jpeg, bits, rng: embed.at_bound(jpeg, uerd.costs, bits, rng),
    "juniward": lambda jpeg, bits, rng: embed.at_bound(jpeg, juniward.costs, bits, rng),
    "juniward-all": lambda jpeg, bits, rng: embed.at_bound(jpeg, juniward.costs, bits, rng, embed.ALL),
}
CODEC, STEGHIDE, OUTGUESS = "jpeg", "steghide", "outguess"
PROGRAMS = (STEGHIDE, OUTGUESS)
METHODS = (*SIMULATED, CODEC, *PROGRAMS)
PROOF = "flat@0.2"  # an attacker that does not see this proves nothing about others
FEATURES: dict[str, Callable[[JpegFile], Float32]] = {"jrm": jpegrich.features}
MEGA = 1_000_000


@dataclass(frozen=True)
class JpegEmbedder:
    """A method and its load: bits per non-zero AC coefficient of the chroma, or bytes per million pixels."""

    method: str
    load: float
    per_pixel: bool

    @classmethod
    def parse(cls, text: str) -> JpegEmbedder:
        """From "uerd@0.2" (bits per coefficient) or "jpeg@1000B" (bytes); UsageError for what there is not."""
        match = re.fullmatch(r"([a-z0-9-]+)@(\d+(?:\.\d+)?)(B?)", text)
        if match is None or match[1] not in METHODS:
            raise UsageError(f"no embedder {text!r}; say METHOD@LOAD or METHOD@LOADB, a method of {', '.join(METHODS)}")
        return cls(match[1], float(match[2]), match[3] == "B")

    def __str__(self) -> str:
        return f"{self.method}@{self.load:g}{'B' if self.per_pixel else ''}"

    @property
    def missing(self) -> str | None:
        """The program that this needs and the machine has not."""
        return self.method if self.method in PROGRAMS and shutil.which(self.method) is None else None

    def bits(self, jpeg: JpegFile) -> float:
        """What the load is in a file, which is the same for all methods."""
        return 8 * self.load * jpeg.pixels / MEGA if self.per_pixel else self.load * embed.nonzero_ac(jpeg)

    def stego(self, jpeg: JpegFile, rng: np.random.Generator) -> JpegFile:
        """A stego of a host. CapacityError if it does not take the load; StegcinnError if a program fails.

        What real methods hide is drawn from `rng`, everything else that they draw by their own ways.
        """
        bits = self.bits(jpeg)
        if self.method in SIMULATED:
            return SIMULATED[self.method](jpeg, bits, rng)
        payload = rng.bytes(round(bits / 8))
        if self.method == CODEC:
            made = conceal(Source(jpeg.data), Payload(payload), codec=CODEC, suffix=".jpg").file
        else:
            made = _by_program(self.method, jpeg, payload)
        return JpegFile.read(made, f"what {self.method} made")


def _by_program(program: str, jpeg: JpegFile, payload: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        host, secret, out = (Path(folder, name) for name in ("host.jpg", "secret", "out.jpg"))
        host.write_bytes(jpeg.data)
        secret.write_bytes(payload)
        if program == STEGHIDE:
            line = ["steghide", "embed", "-q", "-Z", "-N", "-p", "x", "-cf", host, "-ef", secret, "-sf", out]
        else:  # it codes anew: at the host's own quality
            line = ["outguess", "-k", "x", "-p", str(jpeg.quality[0]), "-d", secret, host, out]
        done = subprocess.run(list(map(str, line)), capture_output=True, text=True, errors="replace", check=False)
        if done.returncode or not out.exists():
            said = (done.stderr or done.stdout).strip()
            if re.search("too short|too large|too big|not enough|exceed|cannot find", said.lower()):
                raise CapacityError(len(payload), 0)
            raise StegcinnError(f"{program} failed: {said[-200:]}")
        return out.read_bytes()


def read_host(path: Path) -> bytes:
    """A JPEG file as it is."""
    return path.read_bytes()


def made_420(path: Path, quality: int) -> bytes:
    """A JPEG file with halved chroma, made of a photo scaled down to half, so that no older grid is left."""
    with Image.open(path) as photo:
        small = photo.convert("RGB").reduce(2)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def features_of(host: bytes, embedder: JpegEmbedder | None, kind: str, cache: Path, seed: int = 0) -> Float32 | None:
    """Features of a host, or of its stego by an embedder; None if the host does not take the load.

    Kept in the folder `cache` until the code that computes them changes. A host's stego depends on its bytes, the
    embedder and `seed` alone.
    """
    key = hashlib.sha256(host).hexdigest()[:24]
    folder = cache / f"{kind}-{_version()}" / (str(embedder) if embedder else "host")
    path = folder / f"{key}-{seed}.npy"
    if path.exists():
        found = cast(Float32, np.load(path, allow_pickle=False))
        return found if found.size else None
    jpeg = JpegFile.read(host, "a host")
    try:
        if embedder is not None:
            jpeg = embedder.stego(jpeg, np.random.default_rng((seed, int(key, 16), *str(embedder).encode())))
        found = FEATURES[kind](jpeg)
    except CapacityError:
        found = np.zeros(0, np.float32)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, found)
    return found if found.size else None


def _version() -> str:
    """Of the code that is behind the features."""
    modules = (jpegrich, embed, juniward, uerd)
    code = b"".join(Path(os.fspath(cast(str, module.__file__))).read_bytes() for module in modules)
    return hashlib.sha256(code).hexdigest()[:8]
