"""How well embedders in JPEG files are detected: hosts of a folder against their stegos, each photo tested once a seed.

python scripts/measure/jpeg_detection.py FOLDER --embedders uerd@0.2 jpeg@1000B --out runs/jpeg.json

Loads are bits per non-zero AC coefficient of the chroma, or bytes per million pixels where a B follows; what that is in
a host is the same for every method. Changes by one in non-zero AC coefficients at equal costs (flat@0.2) always come
first: an attacker that does not see them proves nothing. Features are kept under --cache, so a run that was stopped
goes on. Hosts that do not take a load are left out of its row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from stegcinn.evaluation.benchmark.jpegs import (
    ATTACKERS,
    LEAST,
    PROOF,
    JpegEmbedder,
    detections,
    features_of,
    made_420,
)
from stegcinn.files import replacing

SUFFIXES = {".jpg", ".jpeg"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="colour JPEG files")
    parser.add_argument("--embedders", nargs="*", default=[], metavar="METHOD@LOAD")
    parser.add_argument("--attackers", nargs="+", default=list(ATTACKERS), choices=list(ATTACKERS))
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--count", type=int, help="hosts (default: all), drawn once for all runs")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--hosts-420", type=int, metavar="QUALITY", help="make 4:2:0 hosts of photos scaled to half")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "jpeg-detection")
    parser.add_argument("--out", type=Path, help="file for the results (JSON)")
    a = parser.parse_args()
    paths = sorted(path for path in a.folder.iterdir() if path.suffix.lower() in SUFFIXES)
    order = np.random.default_rng(0).permutation(len(paths))[: a.count]
    paths = [paths[i] for i in order]
    hosts = [path.read_bytes() if a.hosts_420 is None else made_420(path, a.hosts_420) for path in paths]
    names = dict.fromkeys([PROOF, *(str(JpegEmbedder.parse(text)) for text in a.embedders)])
    rows = []
    for embedder in map(JpegEmbedder.parse, names):
        if embedder.missing:
            print(f"{embedder}: left out, as there is no program {embedder.missing}", flush=True)
            continue
        covers, stegos = (
            Parallel(a.jobs)(delayed(features_of)(host, one, a.cache) for host in hosts) for one in (None, embedder)
        )
        count = sum(found is not None for found in stegos)
        if count < LEAST:
            print(f"{embedder}: left out, as only {count} hosts take it", flush=True)
            continue
        each = Parallel(a.jobs)(delayed(detections)(covers, stegos, [attacker], a.seeds) for attacker in a.attackers)
        for attacker, found in ((name, detection) for one in each for name, detection in one.items()):
            rows.append({"embedder": str(embedder), "attacker": attacker, "hosts": count, **asdict(found)})
            seeds = " ".join(f"{100 * seed:.1f}" for seed in found.seeds)
            print(f"{embedder!s:22} {attacker:7} {count:4} hosts  {100 * found.accuracy:.1f} +- {100 * found.half:.1f}"
                  f"  (seeds {seeds})", flush=True)  # fmt: skip
        if a.out:
            about = {"folder": a.folder.name, "hosts_420": a.hosts_420, "photos": len(hosts), "rows": rows}
            with replacing(a.out) as temporary:
                temporary.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
