"""Train networks on forty photos, hide with them, attack what they made, and draw how often the attacker is right.

    python examples/train_and_attack.py --out attack                  # forty parts of scikit-image's photos
    python examples/train_and_attack.py --photos FOLDER --out attack  # photos of your own

needs `pip install -e '.[train,eval]'` and some minutes of two processor cores. OUT then holds the run (run/), its
release (release/, for `stegcinn hide --weights`), and attack.png. The attacker is a logistic regression on a small rich
model of colour, trained on one half of the photos and tested on the other; so few photos tell no more than which
method is far easier to detect.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from skimage import data

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.codecs import codecs_over, load_codec
from stegcinn.errors import CapacityError, SelfCheckError
from stegcinn.evaluation.steganalysis import linear, rich
from stegcinn.runtime.arrays import UInt8
from stegcinn.sealing.envelope import Payload
from stegcinn.training.cinn import loop, release
from stegcinn.training.cinn.config import override, preset

PHOTOS = 40
SIDE = 160  # pixels of a part of scikit-image's photos
HOST = 128  # pixels of a host
METHODS = {"own networks": "cinn", "stealth": "stealth"}  # what is attacked, and by which codec it is hidden
PAYLOAD = 0.1  # bits per pixel


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Do all of it; returns how often the attacker is right, by method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of photos (default: parts of scikit-image's)")
    parser.add_argument("--out", type=Path, required=True, help="new folder to write")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of stegcinn train")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True)
    photos = options.photos or parts_of_photos(options.out / "photos")

    print("training")
    config = override(preset("quick"), options.set)
    loop.train(config, [(photos, 1.0)], options.out / "run", report=show, announce=print)
    print("exporting")
    release.export(options.out / "run", options.out / "release")

    hosts = read_hosts(photos)
    print(f"hiding in {len(hosts)} hosts of {HOST}x{HOST} pixels")
    own = codecs_over(options.out / "release")
    right = {}
    for method, codec in METHODS.items():
        containers = [hidden(host, own if codec == "cinn" else [load_codec(codec)]) for host in hosts]
        right[method] = attacked(hosts, containers)
        print(f"{method}: the attacker is right in {right[method]:.0%} of cases, and by guessing in 50%")
    draw(right, options.out / "attack.png")
    print(f"drawn in {options.out / 'attack.png'}; the course of training is in {options.out / 'run' / 'curves.png'}")
    return right


def show(progress: loop.RunProgress) -> None:
    """A line for every checkpoint."""
    if progress.saved:
        print(f"step {progress.step} of {progress.steps}: loss {progress.loss:.2f}")


def parts_of_photos(folder: Path) -> Path:
    """Forty squares of photos that come with scikit-image, as PNG files in a new folder."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        photo = (data.astronaut, data.chelsea, data.coffee, data.rocket)[number % 4]()
        top, left = (rng.integers(side - SIDE + 1) for side in photo.shape[:2])
        Image.fromarray(photo[top : top + SIDE, left : left + SIDE]).save(folder / f"{number:02}.png")
    return folder


def read_hosts(folder: Path) -> list[UInt8]:
    """The middle of each photo."""
    hosts = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        rgb = Source(path).photo().rgb
        top, left = ((side - HOST) // 2 for side in rgb.shape[:2])
        if min(top, left) >= 0:
            hosts.append(np.ascontiguousarray(rgb[top : top + HOST, left : left + HOST]))
    return hosts


def hidden(host: UInt8, codecs: list) -> UInt8:
    """A container with PAYLOAD random bits per pixel; where that does not fit, with a message that says nothing."""
    size = int(PAYLOAD * host[..., 0].size) // 8
    for payload in (np.random.default_rng(size).bytes(size), b""):
        try:
            return Source(stego.conceal(Source(host), Payload(payload), among=codecs).file).photo().rgb
        except (CapacityError, SelfCheckError):
            continue
    return host


def attacked(hosts: list[UInt8], containers: list[UInt8]) -> float:
    """How often an attacker tells hosts from containers who was trained on the others."""
    covers, stegos = (np.stack([rich.features(rgb) for rgb in images]) for images in (hosts, containers))
    order = np.random.default_rng(0).permutation(len(hosts))
    halves = order[::2], order[1::2]
    return float(np.mean([linear.accuracy(covers, stegos, *pair) for pair in (halves, halves[::-1])]))


def draw(right: dict[str, float], path: Path) -> None:
    """Bars of how often the attacker is right."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.bar(list(right), list(right.values()), color=["#c2452d", "#1f5fa8"])
    axes.axhline(0.5, color="#333333", linestyle="--", linewidth=1)
    axes.text(-0.4, 0.51, "guessing", color="#333333")
    axes.set(ylim=(0, 1), ylabel="attacker is right", title=f"{PAYLOAD:g} bits per pixel")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
