"""What attackers make of payloads that `stealth` calls safe, by the kind of host: each photo tested once a seed.

python scripts/measure/promise.py FOLDER --kinds half-444 half-420-q90 --embedders stealth@safe --out runs/promise.json

Hosts are made of the photos of FOLDER: `half` and `third` scale them down to that share, `twothirds` to that one, by
the filter named last (`lanczos` if none is), `whole` leaves them. Before that, `420` or `444` saves them as JPEG of
that sampling, of the quality `qNN`, or leaves them as they are without one. With `--pieces`, all squares of a side that
fit in are hosts of their own; what is told is of photos all the same, and those --beside are made whole into hosts that
attackers learn from, too. The attacker is the rich model of colours under an ensemble of linear discriminants. Hosts
that take nothing are left out and counted. Features are kept under --cache.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import tempfile
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from PIL import Image

from stegcinn.errors import CapacityError
from stegcinn.evaluation.benchmark.containers import Embedder
from stegcinn.evaluation.benchmark.hosts import SUFFIXES
from stegcinn.evaluation.steganalysis import ensemble, rich
from stegcinn.evaluation.steganalysis.ensemble import Detection
from stegcinn.files import replacing
from stegcinn.runtime.arrays import Float32, UInt8
from stegcinn.runtime.weights import release

FACTORS = {"half": 1 / 2, "third": 1 / 3, "twothirds": 2 / 3, "whole": 1.0}
FILTERS = {
    "lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC, "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
}  # fmt: skip
SAMPLINGS = {"444": 0, "420": 2}
KIND = re.compile(rf"({'|'.join(FACTORS)})(?:-(444|420)(?:-q(\d\d))?)?(?:-({'|'.join(FILTERS)}))?")
KINDS = ("half-444", "half-420-q90", "half-420-q75", "third-420-q90", "twothirds-420-q90")


@dataclass(frozen=True)
class Piece:
    """A host: a photo, or a square of it once it is scaled, whose corner is told in sides."""

    photo: Path
    side: int | None = None
    corner: tuple[int, int] = (0, 0)

    def of(self, image: UInt8) -> UInt8:
        """What of the scaled photo (H, W, 3) it is."""
        if self.side is None:
            return image
        y, x = (self.side * at for at in self.corner)
        return np.ascontiguousarray(image[y : y + self.side, x : x + self.side])

    @property
    def name(self) -> str:
        return self.photo.name + ("" if self.side is None else f" {self.side} {self.corner}")


def pieces(photo: Path, kind: str, side: int) -> list[Piece]:
    """All squares that fit into a photo as a host of a kind; none of what is gray, or cannot be read."""
    try:
        image = host(photo, kind)
    except OSError:
        return []
    if (image.max(-1) == image.min(-1)).all():
        return []
    rows, columns = (length // side for length in image.shape[:2])
    return [Piece(photo, side, (y, x)) for y in range(rows) for x in range(columns)]


def host(path: Path, kind: str) -> UInt8:
    """A photo as a host of a kind, (H, W, 3)."""
    match = KIND.fullmatch(kind)
    if match is None:
        raise SystemExit(f"no kind {kind!r}; as in {', '.join(KINDS)}")
    factor, sampling, quality, kernel = match.groups()
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if quality is not None:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(quality), subsampling=SAMPLINGS[sampling])
        image = Image.open(buffer).convert("RGB")
    size = [round(side * FACTORS[factor]) for side in image.size]
    small = image.resize((size[0], size[1]), FILTERS[kernel or "lanczos"]) if factor != "whole" else image
    return np.asarray(small)


def features(piece: Piece, kind: str, embedder: Embedder | None, cache: Path) -> tuple[Float32, float] | None:
    """Of a host, or of a stego of it, and its payload in bits per pixel; None for a host that takes none."""
    weights = release("noise-1").config["sha256"] if embedder else {}
    what = hashlib.sha256(f"{piece.name} {kind} {embedder} {weights}".encode()).hexdigest()[:20]
    kept = cache / f"{what}.npy"
    if kept.exists():
        found = np.load(kept, allow_pickle=False)
        return (found[1:], float(found[0])) if len(found) > 1 else None
    pixels, changed = piece.of(host(piece.photo, kind)), 0.0
    try:
        if embedder is not None:
            seed = int.from_bytes(hashlib.sha256(f"{piece.name} {kind}".encode()).digest()[:8], "big")
            stego = embedder.function()(pixels, np.random.default_rng(seed))
            changed, pixels = float((stego != pixels).any(-1).mean()), stego
        found = np.concatenate([[changed], rich.features(pixels)]).astype(np.float32)
    except CapacityError:
        found = np.zeros(1, np.float32)
    cache.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as temporary, temporary.open("wb") as file:
        np.save(file, found)
    return (found[1:], float(found[0])) if len(found) > 1 else None


def photos(folder: Path, count: int | None) -> list[Path]:
    """Photos of a folder, all or so many that are drawn once for all runs, in an order that does not change."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:count]]


def in_words(found: Detection, changed: float) -> str:
    """How often the attacker is right, and the share of pixels that are changed."""
    seeds = " ".join(f"{100 * seed:.1f}" for seed in found.seeds)
    return f"{100 * changed:.2f} % changed: {100 * found.accuracy:.1f} +- {100 * found.half:.1f} (seeds {seeds})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="photos")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), metavar="KIND")
    parser.add_argument("--embedders", nargs="+", default=["stealth@safe"], metavar="METHOD@LOAD")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--count", type=int, help="photos (default: all), drawn once for all runs")
    parser.add_argument("--pieces", type=int, metavar="SIDE", help="hosts are all squares of so many pixels a side")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="photos that are only learnt from")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "promise")
    parser.add_argument("--out", type=Path, help="file for the results (JSON)")
    a = parser.parse_args()
    paths, rows = photos(a.folder, a.count), []
    beside = [] if a.beside is None else [Piece(path) for path in photos(a.beside, None)]
    for kind in a.kinds:
        tested = [Piece(path) for path in paths]
        if a.pieces:
            tested = list(chain.from_iterable(Parallel(a.jobs)(delayed(pieces)(p, kind, a.pieces) for p in paths)))
        hosts = tested + beside
        covers = Parallel(a.jobs)(delayed(features)(host, kind, None, a.cache) for host in hosts)
        for embedder in map(Embedder.parse, a.embedders):
            stegos = Parallel(a.jobs)(delayed(features)(host, kind, embedder, a.cache) for host in hosts)
            both = [(c, s, of) for c, s, of in zip(covers, stegos, hosts, strict=True) if c and s]
            taking = [path for path in paths if any(of.photo == path for *_, of in both)]
            if len(taking) < 2 * ensemble.FOLDS:
                print(f"{kind:22} {embedder!s:14} left out, as only {len(taking)} photos take it", flush=True)
                continue
            numbers = {path: number for number, path in enumerate(taking)}
            of_photo = np.array([numbers.get(of.photo, -1) for *_, of in both])
            of_covers, of_stegos = (np.stack([pair[i][0] for pair in both]) for i in (0, 1))
            found = ensemble.detect(of_covers, of_stegos, range(a.seeds), of_photo)
            shares = [stego[1] for (_, stego, _), number in zip(both, of_photo, strict=True) if number >= 0]
            changed = float(np.mean(shares))
            rows.append({"kind": kind, "embedder": str(embedder), "photos": len(paths), "hosts": len(shares),
                         "changed": changed, **asdict(found)})  # fmt: skip
            told = in_words(found, changed)
            print(f"{kind:22} {embedder!s:14} {len(shares):4} of {len(tested)} hosts, {told}", flush=True)
        if a.out:
            with replacing(a.out) as temporary:
                temporary.write_text(json.dumps({"folder": a.folder.name, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
