"""An album of all photos of a folder, as JPEG files and as halved PNG files, with all that is safe in them.

python scripts/measure/album.py PHOTOS [--count 300] [--spare 20%] [--foreign 50] [--jobs 2] [--password P]

Hides by `stegcinn album`, deletes as many of the photos used as may be lost (the fullest ones, and a few times some at
random), renames and shuffles the rest, puts photos of no album beside, reveals and compares. Tells seconds of hiding by
one process and by several, of revealing all and each by itself, and the peak memory of a process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from stegcinn import stego
from stegcinn.album import working
from stegcinn.album.spreading import Spare, spread
from stegcinn.album.working import Measuring
from stegcinn.carriers.base import Source, halved
from stegcinn.errors import CapacityError, SharesError

HUGE = 1 << 29  # bytes, that no album takes
SINGLE = 20  # images that are revealed each by itself, to tell how long all would take
DRAWS = 4  # of photos that are lost
SUFFIXES = (".jpg", ".jpeg", ".png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--spare", default="20%")
    parser.add_argument("--foreign", type=int, default=50)
    parser.add_argument("--jobs", type=int, nargs="+", default=[2])
    parser.add_argument("--password")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.photos.rglob("*") if path.suffix.lower() in SUFFIXES)
    chosen, others = paths[: arguments.count], paths[arguments.count :][: arguments.foreign]
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        prepare(chosen, work / "photos")
        prepare(others, work / "others")
        if arguments.password:
            (work / "key").write_text(arguments.password)
        size = safe_size(sorted((work / "photos").iterdir()), Spare.read(arguments.spare), max(arguments.jobs))
        print(f"{len(chosen)} photos, as JPEG and as halved PNG: {size:,} bytes are safe", flush=True)
        (work / "payload").write_bytes(os.urandom(size))
        for jobs in arguments.jobs:
            shutil.rmtree(work / "out", ignore_errors=True)
            began = time.monotonic()
            options = ["--spare", arguments.spare, "--safe", "--jobs", str(jobs), "--json"]
            told = json.loads(command(work, "album", "photos", "payload", "-o", "out", *options))
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"--jobs {jobs}: {time.monotonic() - began:.1f} s, largest process so far {peak:.0f} MB", flush=True)
        codecs = [photo["codec"] for photo in told["photos"] if photo["codec"]]
        print(f"used {len(codecs)} ({codecs.count('jpeg')} JPEG), {told['spare']} may be lost;", end=" ")
        print(f"level {told['level']:.2f}, of all together {told['disturbance']:.1f}, {told['judgement']}", flush=True)
        check(work, told, random.Random(0))


def prepare(paths: list[Path], folder: Path) -> None:
    """Each photo as a JPEG file, as it is where it is one, and halved as PNG."""
    folder.mkdir()
    for path in paths:
        if path.suffix.lower() != ".png":
            shutil.copy(path, folder / f"{path.stem}-full.jpg")
        halved(path, exact=True).save(folder / f"{path.stem}.png")


def safe_size(files: list[Path], spare: Spare, jobs: int) -> int:
    """All that is safe, whichever photos are lost; less the salt and the name of the payload."""
    found = dict(working.each_of(working.measured, [Measuring(file, None) for file in files], jobs))
    grades = [photo.grades if photo.evidence is None else None for photo in found.values()]
    low, high = 0, HUGE
    while high - low > 1:
        middle = (low + high) // 2
        try:
            spread(grades, middle, spare, safe=True)
            low = middle
        except CapacityError:
            high = middle
    return low - 9 - 1 - len("payload")


def check(work: Path, told: dict[str, Any], rng: random.Random) -> None:
    """Lose photos, and reveal."""
    used = {photo["output"]: photo["bytes"] for photo in told["photos"] if photo["codec"]}
    payload = (work / "payload").read_bytes()
    fullest = sorted(used, key=lambda name: used[name], reverse=True)
    draws = [fullest[: told["spare"]], *(rng.sample(fullest, told["spare"]) for _ in range(DRAWS))]
    for number, lost in enumerate(draws):
        shuffled = work / f"shuffled{number}"
        shuffled.mkdir()
        kept = [path for path in (work / "out").iterdir() if path.name not in lost]
        for place, path in enumerate(rng.sample(kept, len(kept))):
            (shuffled / f"IMG_{place:05}{path.suffix}").hardlink_to(path)
        for path in (work / "others").iterdir():
            shutil.copy(path, shuffled)
        back = work / f"back{number}"
        began = time.monotonic()
        facts = json.loads(command(work, "reveal", shuffled.name, "-o", back.name, "--json"))
        seconds = time.monotonic() - began
        assert back.read_bytes() == payload
        if number == 0:
            files = len(list(shuffled.iterdir()))
            print(f"without the fullest: {facts['shares_found']} of {facts['shares']} shares among {files} files;")
            print(
                f"revealed in {seconds:.1f} s; each of {SINGLE} by itself {single(work, shuffled, rng) * files:.1f} s,"
            )
            print("scaled to all", flush=True)
    print(f"the payload came back {len(draws)} times", flush=True)
    command(work, "reveal", *(f"out/{name}" for name in fullest[told["spare"] + 1 :]), "-o", "x", code=4)


def single(work: Path, folder: Path, rng: random.Random) -> float:
    """Seconds to look into one image, on average, in this process, which has loaded everything."""
    password = (work / "key").read_text() if (work / "key").exists() else None
    files = rng.sample(sorted(folder.iterdir()), SINGLE)
    stego_seconds = []
    for path in [files[0], *files]:
        began = time.monotonic()
        try:
            stego.uncover(Source(path), password=password)
        except SharesError:
            pass
        except Exception as error:
            if getattr(error, "exit_code", 0) != 4:
                raise
        stego_seconds.append(time.monotonic() - began)
    return sum(stego_seconds[1:]) / SINGLE


def command(work: Path, *words: str, code: int = 0) -> str:
    """What a command prints; it has to end with a code."""
    password = ["--password-file", "key"] if (work / "key").exists() else []
    done = subprocess.run(
        [sys.executable, "-m", "stegcinn", *words, *password], cwd=work, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


if __name__ == "__main__":
    main()
