"""Detection of what is hidden in JPEG files: hosts, embedders with their loads, features kept in a folder, accuracy."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stegcinn.carriers.base import Source
from stegcinn.carriers.jpegfile import dct
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.errors import CapacityError, StegcinnError, UsageError
from stegcinn.evaluation.baselines.jpeg import embed, juniward, uerd
from stegcinn.evaluation.benchmark.containers import SAFE
from stegcinn.evaluation.steganalysis import dctr, ensemble, jpegrich, rich
from stegcinn.evaluation.steganalysis.ensemble import Detection
from stegcinn.files import replacing
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.sealing.envelope import Payload
from stegcinn.stego import conceal, measure

Simulate = Callable[[JpegFile, float, np.random.Generator], JpegFile]  # of some bits
SIMULATED: dict[str, Simulate] = {
    "flat": lambda jpeg, bits, rng: embed.at_bound(jpeg, embed.flat, bits, rng),
    "nsf5": embed.nsf5,
    "uerd": lambda jpeg, bits, rng: embed.at_bound(jpeg, uerd.costs, bits, rng),
    "juniward": lambda jpeg, bits, rng: embed.at_bound(jpeg, juniward.costs, bits, rng),
    "juniward-all": lambda jpeg, bits, rng: embed.at_bound(jpeg, juniward.costs, bits, rng, embed.ALL),
    "juniward-thirds": lambda jpeg, bits, rng: _in_thirds(jpeg, bits, rng),
}
CODEC, STEGHIDE, OUTGUESS = "jpeg", "steghide", "outguess"
PROGRAMS = (STEGHIDE, OUTGUESS)
METHODS = (*SIMULATED, CODEC, *PROGRAMS)
PROOF = "flat@0.2"  # an attacker that does not see this proves nothing about others
Features = dict[str, Float32]
FEATURES: dict[str, Callable[[JpegFile], Float32]] = {
    "jrm": jpegrich.features,
    "dctr": dctr.features,
    "jrm-luma": jpegrich.luma_features,
    "dctr-luma": dctr.luma_features,
    "rich": lambda jpeg: rich.features(pixels(jpeg)).astype(np.float32),
}
ATTACKERS = {  # and what they look at
    "jrm": ("jrm",),
    "dctr": ("dctr",),
    "chroma": ("jrm", "dctr"),
    "luma": ("jrm-luma", "dctr-luma"),
    "colour": ("jrm", "dctr", "jrm-luma", "dctr-luma"),
    "rich": ("rich",),
}
PACKAGE = Path(__file__).parents[2]
MADE_BY = (  # the code behind features, and that behind the codec
    (
        "evaluation/baselines/ternary.py",
        "evaluation/baselines/jpeg/*.py",
        *(f"evaluation/steganalysis/{name}.py" for name in ("jpegrich", "dctr", "rich", "filters")),
        "carriers/jpegfile/dct.py",
    ),
    ("codecs/jpeg/*.py", "coding/*.py"),
)
MEGA = 1_000_000
LEAST = 2 * ensemble.FOLDS  # hosts


@dataclass(frozen=True)
class JpegEmbedder:
    """A method and its load: bits per non-zero AC coefficient of the chroma, or bytes per million pixels.

    Or SAFE, for the codec: as many bytes as it calls safe in each host.
    """

    method: str
    load: float | str
    per_pixel: bool = False

    @classmethod
    def parse(cls, text: str) -> JpegEmbedder:
        """From "uerd@0.2" (per coefficient), "jpeg@1000B" (bytes) or "jpeg@safe"; UsageError for what there is not."""
        if text == f"{CODEC}@{SAFE}":
            return cls(CODEC, SAFE)
        match = re.fullmatch(r"([a-z0-9-]+)@(\d+(?:\.\d+)?)(B?)", text)
        if match is None or match[1] not in METHODS:
            raise UsageError(f"no embedder {text!r}; say METHOD@LOAD or METHOD@LOADB, a method of {', '.join(METHODS)}")
        return cls(match[1], float(match[2]), match[3] == "B")

    def __str__(self) -> str:
        load = self.load if isinstance(self.load, str) else f"{self.load:g}"
        return f"{self.method}@{load}{'B' if self.per_pixel else ''}"

    @property
    def missing(self) -> str | None:
        """The program that this needs and the machine has not."""
        return self.method if self.method in PROGRAMS and shutil.which(self.method) is None else None

    def bits(self, jpeg: JpegFile) -> float:
        """What the load is in a file, which but for SAFE is the same for all methods."""
        if isinstance(self.load, str):
            return 8 * measure(Source(jpeg.data), codec=CODEC).safe_bytes
        return 8 * self.load * jpeg.pixels / MEGA if self.per_pixel else self.load * embed.nonzero_ac(jpeg)

    def stego(self, jpeg: JpegFile, rng: np.random.Generator) -> JpegFile:
        """A stego of a host. CapacityError if it does not take the load; StegcinnError if a program fails.

        What real methods hide is drawn from `rng`, everything else that they draw by their own ways.
        """
        bits = self.bits(jpeg)
        if self.method in SIMULATED:
            return SIMULATED[self.method](jpeg, bits, rng)
        payload = rng.bytes(round(bits / 8))
        if not payload:
            raise CapacityError(1, 0)
        if self.method == CODEC:
            made = conceal(Source(jpeg.data), Payload(payload), codec=CODEC, suffix=".jpg").file
        else:
            made = _by_program(self.method, jpeg, payload)
        return JpegFile.read(made, f"what {self.method} made")


def _in_thirds(jpeg: JpegFile, bits: float, rng: np.random.Generator) -> JpegFile:
    """J-UNIWARD with a third of the bits in each component, as the program hstego does it."""
    for plane in embed.ALL:
        jpeg = embed.at_bound(jpeg, juniward.costs, bits / 3, rng, (plane,))
    return jpeg


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
            if re.search("too short|too large|larger than|cannot find", said.lower()):
                raise CapacityError(len(payload), 0)
            raise StegcinnError(f"{program} failed: {said[-200:]}")
        return out.read_bytes()


def made_420(path: Path, quality: int) -> bytes:
    """A JPEG file with halved chroma, made of a photo scaled down to half, so that no older grid is left."""
    with Image.open(path) as photo:
        small = photo.convert("RGB").reduce(2)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def ycbcr(jpeg: JpegFile) -> Float32:
    """Its decoded planes (height, width, 3) float32, not rounded, about 0: chroma is repeated where it is coarser."""
    planes = []
    for c in jpeg.components:
        down, along = jpeg.luma.v // c.v, jpeg.luma.h // c.h
        plane = dct.samples(c.visible, c.quantisation).repeat(down, 0).repeat(along, 1)
        planes.append(plane[: jpeg.height, : jpeg.width])
    return np.stack(planes, axis=-1)


def pixels(jpeg: JpegFile) -> UInt8:
    """The picture (height, width, 3) uint8 RGB, rounded once, at the end."""
    y, cb, cr = np.moveaxis(ycbcr(jpeg), -1, 0)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)  # JFIF 1.02
    rounded: UInt8 = np.clip(np.rint(rgb + 128), 0, 255).astype(np.uint8)
    return rounded


def made_of(host: bytes, embedder: JpegEmbedder | None, seed: int = 0) -> JpegFile:
    """A host, or its stego by an embedder, which depends on its bytes, the embedder and `seed` alone.

    But for what real methods draw by themselves. CapacityError if the host does not take the load.
    """
    jpeg = JpegFile.read(host, "a host")
    if embedder is None:
        return jpeg
    return embedder.stego(jpeg, np.random.default_rng((seed, int(_digest(host), 16), *str(embedder).encode())))


def features_of(host: bytes, embedder: JpegEmbedder | None, cache: Path, seed: int = 0) -> Features | None:
    """All FEATURES of what `made_of` makes; None if the host does not take the load.

    Kept in the folder `cache` until the code that computes them changes.
    """
    key = _digest(host)
    path = cache / version(embedder) / (str(embedder) if embedder else "host") / f"{key}-{seed}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            return dict(kept) or None
    found: Features = {}
    with suppress(CapacityError):
        jpeg = made_of(host, embedder, seed)
        found = {kind: compute(jpeg) for kind, compute in FEATURES.items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **found)  # type: ignore[arg-type]
    return found or None


def detections(
    covers: Sequence[Features | None], stegos: Sequence[Features | None], attackers: Sequence[str], seeds: int
) -> dict[str, Detection]:
    """Accuracy of attackers on the hosts that have a stego; UsageError if they are too few."""
    pairs = [(a, b) for a, b in zip(covers, stegos, strict=True) if a is not None and b is not None]
    if len(pairs) < LEAST:
        raise UsageError(f"only {len(pairs)} hosts take the load; {LEAST} are needed")
    found = {}
    for attacker in attackers:
        cover, stego = (
            np.stack([np.concatenate([pair[side][kind] for kind in ATTACKERS[attacker]]) for pair in pairs])
            for side in range(2)
        )
        found[attacker] = ensemble.detect(cover, stego, range(seeds))
    return found


def _digest(host: bytes) -> str:
    return hashlib.sha256(host).hexdigest()[:24]


def version(embedder: JpegEmbedder | None, package: Path = PACKAGE) -> str:
    """Of the code that is behind what is kept for an embedder, by the files of the package in a folder."""
    kinds = MADE_BY[: 2 if embedder is not None and embedder.method == CODEC else 1]
    files = sorted(file for patterns in kinds for pattern in patterns for file in package.glob(pattern))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
