"""Check our features of JPEG files against those of the package sealwatch, where that is installed.

python scripts/measure/jpeg_referee.py FOLDER [--count 3] [--embedders uerd@0.2] [--hosts 60] [--jobs 2]

Of some files: the largest difference between the co-occurrences that both count (neighbours along a row of a block) and
between residuals, which are to be the same. With --embedders: how well sealwatch's JRM and DCTR of both chroma planes
(38,510 features) see them beside ours, decided by the same ensemble. sealwatch takes most of a minute for a picture of
512x512.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from referee import load_sealwatch

from stegcinn.carriers.jpegfile import dct
from stegcinn.carriers.jpegfile.file import JpegFile
from stegcinn.carriers.jpegfile.quality import estimated_quality
from stegcinn.errors import CapacityError, StegcinnError
from stegcinn.evaluation.benchmark.jpegs import ATTACKERS, FEATURES, JpegEmbedder, made_of
from stegcinn.evaluation.steganalysis import dctr, ensemble, jpegrich

sealwatch = load_sealwatch()
LAST = jpegrich.T_MODE
DITHER = 0.1  # samples of noise: without it many residuals lie just between two steps, where rounding errors decide


def referee(jpeg: JpegFile) -> np.ndarray:
    """Square roots of sealwatch's frequencies in both chroma planes."""
    found = []
    for c in jpeg.chroma:
        blocks = c.visible.reshape(*c.visible.shape[:2], 8, 8).astype(int)
        found += [np.ravel(part) for part in sealwatch.jrm.extract(blocks).values()]
        plane = dct.samples(c.visible, c.quantisation).astype(np.float64)
        step = dctr.step_of(estimated_quality(c.quantisation.tolist(), chroma=True)[0])
        found += [np.ravel(part) for part in sealwatch.dctr.extract(plane, step).values()]
    return np.sqrt(np.maximum(np.concatenate(found), 0)).astype(np.float32)


def differences(jpeg: JpegFile) -> tuple[float, float]:
    """The largest ones of co-occurrences and of residuals in the Cb plane."""
    c = jpeg.chroma[0]
    theirs = sealwatch.jrm.extract(c.visible.reshape(*c.visible.shape[:2], 8, 8).astype(int))
    modes = list(zip(*np.nonzero(jpegrich.ONE_BY_ONE), strict=True))
    at = int(jpegrich.HALF.sum()) * (jpegrich.T_ALONE + 1)
    ours = jpegrich.plane_counts(c.visible)[at:].ravel()
    worst = 0.0
    for index, (v, u) in enumerate(modes):
        name = f"Ah_T{LAST}_mode_y_{v}_x_{u}"
        if name in theirs:  # whose first value is the second of ours
            table = ours[index * (LAST + 1) ** 2 :][: (LAST + 1) ** 2].reshape(LAST + 1, LAST + 1).T
            worst = max(worst, float(np.abs(np.ravel(theirs[name]) - table.ravel()).max()))
    plane, step = dct.samples(c.visible, c.quantisation), 1.6
    plane += np.random.default_rng(0).normal(0, DITHER, plane.shape).astype(np.float32)
    tables = np.array(list(sealwatch.dctr.extract(plane.astype(np.float64), step).values())).reshape(8, 8, 5, 5, 5)
    rows, columns = plane.shape
    if rows != columns:
        raise StegcinnError("residuals are compared on square pictures")
    tables = (tables + tables.transpose(1, 0, 3, 2, 4)) / 2
    v, u, down, along = np.indices((8, 8, 5, 5))
    kept = (v < u) | ((v == u) & (v > 0) & (down <= along))
    return worst, float(np.abs(tables[kept].ravel() - dctr.plane_features(plane, step) ** 2).max())


def both(host: bytes, embedder: JpegEmbedder | None) -> tuple[np.ndarray, np.ndarray] | None:
    """Sealwatch's features and ours, or None if the host does not take the load."""
    try:
        jpeg = made_of(host, embedder)
    except CapacityError:
        return None
    return referee(jpeg), np.concatenate([FEATURES[kind](jpeg) for kind in ATTACKERS["chroma"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="square colour JPEG files")
    parser.add_argument("--count", type=int, default=3, help="files to compare numbers of (default: 3)")
    parser.add_argument("--embedders", nargs="*", default=[], metavar="METHOD@LOAD")
    parser.add_argument("--hosts", type=int, default=60, help="hosts for these (default: 60)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    a = parser.parse_args()
    paths = sorted(path for path in a.folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg"})
    order = np.random.default_rng(0).permutation(len(paths))
    for i in order[: a.count]:
        pairs, residuals = differences(JpegFile.read(paths[i].read_bytes(), paths[i].name))
        print(
            f"{paths[i].name}: co-occurrences differ by {pairs:.1e} at most, residuals by {residuals:.1e}", flush=True
        )
    if not a.embedders:
        return
    hosts = [paths[i].read_bytes() for i in order[: a.hosts]]
    covers = Parallel(a.jobs)(delayed(both)(host, None) for host in hosts)
    for embedder in map(JpegEmbedder.parse, a.embedders):
        stegos = Parallel(a.jobs)(delayed(both)(host, embedder) for host in hosts)
        pairs = [(cover, stego) for cover, stego in zip(covers, stegos, strict=True) if stego is not None]
        for side, name in enumerate(("sealwatch", "ours")):
            x, y = (np.stack([pair[which][side] for pair in pairs]) for which in range(2))
            found = ensemble.detect(x, y, range(a.seeds))
            share = f"{100 * found.accuracy:.1f} +- {100 * found.half:.1f}"
            print(f"{embedder!s:22} {name:9} {len(pairs):4} hosts  {share}",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
