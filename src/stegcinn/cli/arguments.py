"""The arguments of the command line: what there is to type, and what each word means."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from stegcinn.codecs import CODECS
from stegcinn.errors import UsageError
from stegcinn.training.cinn.config import PRESETS

TRAIN_COLOURS, TRAIN_NOISE = "train colours", "train noise"  # commands of two words
BASELINES = ("hidden", "ddh", "udh")  # presets of other methods' networks
EXIT_CODES = "exit codes: 0 done, 1 unexpected, 2 usage, 3 does not fit, 4 no payload or wrong password, 5 bad image"


class ArgumentsError(UsageError):
    """Arguments that make no command, with the usage of the command they come closest to."""

    def __init__(self, usage: str, message: str) -> None:
        super().__init__(message)
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    """An argument parser that leaves printing and exiting to its caller."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        raise ArgumentsError(" ".join(self.format_usage().split()), message)


class _Version(argparse.Action):
    """Print the program's version and the weights it carries, each by the digest of its list of digests."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        import hashlib
        from importlib.resources import files

        from stegcinn import __version__

        folder = files("stegcinn") / "weights"
        configs = {release.name: release / "config.json" for release in folder.iterdir() if release.is_dir()}
        releases = (f"{name} {hashlib.sha256(configs[name].read_bytes()).hexdigest()[:12]}" for name in sorted(configs))
        parser._print_message(f"stegcinn {__version__}\nweights: {', '.join(releases)}\n", sys.stdout)
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; `command` in what it returns is the name of the one to run."""
    tagline = "Hide any file in the colours of a photo and get it back byte for byte."
    top = _Parser(prog="stegcinn", description=tagline, epilog=EXIT_CODES)
    top.add_argument("--version", action=_Version, nargs=0, help="show the versions of program and weights, and exit")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, what: str, *details: str) -> argparse.ArgumentParser:
        epilog = "\n".join(details)
        added = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=epilog)
        added.set_defaults(command=name)
        return added

    hide = command(
        "hide",
        "hide a file in a photo",
        "examples:",
        "  stegcinn hide photo.jpg secret.pdf -o out.png --ask-password",
        "  stegcinn hide photo.jpg -m 'meet me at noon' -o out.webp",
        "  tar c folder | stegcinn hide photo.jpg - -o out.png --password-file key.txt",
        "  stegcinn hide - secret.pdf -o - < photo.jpg > out.png",
        "  stegcinn hide photo.jpg -m 'meet me at noon' -o out.jpg --for signal --ask-password",
        "Send the output as a file: what recompresses or resizes it on the way destroys the payload, unless --for or",
        "--survive says what it has to come through.",
        "Hide in a photo once, and show it to nobody: two containers of one photo prove each other, as does the photo:",
        "they have the same gray-scale and not the same colours, whatever the passwords.",
    )
    reveal = command(
        "reveal",
        "reveal the file hidden in an image",
        "examples:",
        "  stegcinn reveal out.png --ask-password",
        "  stegcinn reveal out.png -o secret.pdf",
        "  stegcinn reveal - -o - < out.png | tar x",
        "  stegcinn reveal holiday        (a folder that `stegcinn album` made, or some of its files)",
        "Without -o a file comes back under its own name in the current directory, never over another file; a payload",
        "without a name (a message, or what came from stdin) goes to stdout. To a terminal goes only plain text.",
    )
    capacity = command(
        "capacity",
        "measure how much a photo takes",
        "examples:",
        "  stegcinn capacity photo.jpg",
        "  stegcinn capacity photo.jpg --codec cinn --json",
    )
    rank = command(
        "rank",
        "find the photos of a folder that hide a payload best",
        "example: stegcinn rank photos --payload 20000",
        "The least disturbed come first, as networks expect; up to 3 the payload is quiet against the attackers",
        "measured. Where it is provable, a photo came straight from a JPEG: --halve scales it down.",
    )
    album = command(
        "album",
        "hide a file in several photos of a folder",
        "examples:",
        "  stegcinn album photos report.pdf -o holiday --ask-password",
        "  stegcinn album photos report.pdf -o holiday --spare 20% --ask-password",
        "  stegcinn album photos report.pdf -o holiday --for signal --ask-password",
        "  stegcinn reveal holiday --ask-password",
        "Every photo carries as much as disturbs all of them alike; JPEG files stay JPEG files, others become PNG. The",
        "same command goes on with what was stopped. Show nobody the photos in FOLDER.",
    )
    demo = command("demo", "hide the README in a photo and show what changed", "example: stegcinn demo --out demo")
    train = command(
        "train",
        "train networks on folders of photos",
        "example: stegcinn train photos drawings=0.2 --preset default -o run",
        "example: stegcinn train --resume -o run",
        "Several processes or machines: torchrun --nproc-per-node 2 -m stegcinn train ...",
    )
    colours = command(
        TRAIN_COLOURS,
        "train the colour model of exact",
        "example: stegcinn train colours photos crops -o run --minutes 120",
        "Goes on where it stopped; `stegcinn export run -o new` writes its release.",
    )
    noise = command(
        TRAIN_NOISE,
        "train the network by which stealth knows where there is noise",
        "example: stegcinn train noise photos -o run",
        "Photos are compressed and scaled down in many ways first. Goes on where it stopped; `stegcinn export run",
        "-o new` writes its release.",
    )
    export = command(
        "export", "write the networks of a training run as a release", "example: stegcinn export run -o new"
    )
    serve = command(
        "serve",
        "open a page in the browser to hide and reveal",
        "example: stegcinn serve --port 8000",
        "The page is for this machine alone, at an address that is printed. Ctrl-C ends it.",
    )
    benchmark = command(
        "benchmark",
        "measure all methods: capacity, exactness, likeness, detection, speed",
        "examples:",
        "  stegcinn benchmark photos -o results --jobs 2",
        "  stegcinn benchmark photos -o channels --channels",
        "  stegcinn benchmark photos -o channels --channels --methods jpeg@256B lsb@256B --through jpeg-q75 webp-q80",
        "Goes on where it stopped. --preset small takes an hour and a half on two cores, paper days on a CUDA device.",
    )
    dataset = command(
        "dataset",
        "make covers and stegos for steganalysis, the same bytes from the same seed",
        "examples:",
        "  stegcinn dataset photos -o set --method stealth@0.4 hill@0.4 jpeg@safe --size 256 --count 10000 --jobs 2",
        "  stegcinn dataset s3://mine/photos -o s3://mine/set --method stealth@0.4 --backend dask --address tcp://HOST:8786",
        "Goes on where it stopped. Whoever knows the seed knows all keys: for experiments alone.",
    )
    completion = command(
        "completion",
        "print what makes a shell complete the words of this program",
        "examples:",
        "  stegcinn completion bash > ~/.local/share/bash-completion/completions/stegcinn",
        "  stegcinn completion fish > ~/.config/fish/completions/stegcinn.fish",
        "  stegcinn completion zsh > stegcinn.zsh; echo 'source /the/path/to/stegcinn.zsh' >> ~/.zshrc",
    )
    hide.add_argument("host", metavar="HOST", help="photo to hide in; - is stdin")
    hide.add_argument("file", metavar="FILE", nargs="?", help="file to hide; - is stdin")
    message = "hide this text instead of a file; - reads it from stdin: TEXT itself stands in the list of processes"
    hide.add_argument("-m", "--message", metavar="TEXT", help=message)
    output = "image to write: .jpg (codec jpeg), or lossless .png, .webp, .tif, .bmp; - is stdout (JPEG for a JPEG)"
    quality = "of a JPEG that is made of another kind of photo (default: 90, or that of the JPEG that is halved)"
    metadata = "leave EXIF, place, comments and thumbnail out of a JPEG; lossless files never have them"
    hide.add_argument("-o", "--output", metavar="OUT", required=True, help=output)
    hide.add_argument("--quality", metavar="Q", type=whole_number(1), help=quality)
    hide.add_argument("--strip-metadata", action="store_true", help=metadata)
    images = "image to read; - is stdin; several, or a folder, hold one payload together"
    reveal.add_argument("images", metavar="IMAGE", nargs="+", help=images)
    reveal.add_argument("-o", "--output", metavar="PATH", help="file to write; - is stdout")
    thorough = "look for codecs, too, that take long to look for in large images"
    reveal.add_argument("--thorough", action="store_true", help=thorough)
    album.set_defaults(message=None)
    album.add_argument("photos", metavar="FOLDER", type=existing_folder, help="folder of photos, with those below it")
    album.add_argument("file", metavar="FILE", help="file to hide; - is stdin")
    made = "folder to write, new or to go on with: containers and untouched photos, under the names they have in FOLDER"
    album.add_argument("-o", "--output", metavar="OUT", required=True, help=made)
    spare = "how many of the photos used may be lost, or which part of them, as in 20%% (default: 0)"
    album.add_argument("--spare", metavar="N", default="0", help=spare)
    load = album.add_mutually_exclusive_group()
    load.add_argument("--safe", action="store_true", help="refuse to disturb any photo so much that it may be noticed")
    full = "fill all photos as far as that is as good as unseen: what the payload leaves is spare"
    load.add_argument("--full", action="store_true", help=full)
    bare = "leave EXIF, place, comments and thumbnail out of JPEG files, copies among them"
    album.add_argument("--strip-metadata", action="store_true", help=bare)
    album.add_argument("--only-used", action="store_true", help="write no copies of photos that carry nothing")
    jobs = "processes (default: %(default)s, one for each core)"
    album.add_argument("--jobs", metavar="N", type=whole_number(1), default=cores(), help=jobs)
    capacity.add_argument("host", metavar="HOST", help="photo to measure; - is stdin")
    heat = "draw where the photo can hide, over its gray-scale: a .png to write"
    capacity.add_argument("--map", metavar="PNG", help=heat)
    for each in (hide, reveal, album):
        password = each.add_mutually_exclusive_group()
        first = "the password is the first line of this file, UTF-8 (default: that of STEGCINN_PASSWORD_FILE, if set)"
        password.add_argument("--password-file", metavar="P", help=first)
        password.add_argument("--ask-password", action="store_true", help="ask for the password on the terminal")
        if each is album:
            continue
        weights = "for experiments: networks of your own that `stegcinn export` wrote, in place of those that ship"
        each.add_argument("--weights", metavar="FOLDER", type=existing_folder, help=weights)
        each.add_argument("--force", action="store_true", help="overwrite the file named with -o")
    for each in (hide, capacity, album):
        codec = f"how bits become colours: {', '.join(CODECS)} or auto (default: auto)"
        each.add_argument("--codec", metavar="NAME", default="auto", help=codec)
        if each is not album:
            colors = "coarse colours: the host's, or new ones (default: keep; generate for a gray host)"
            each.add_argument("--colors", choices=("keep", "generate"), help=colors)
        way = each.add_mutually_exclusive_group()
        channel = "hide for what will send it, by codec robust: signal, whatsapp, ..., or long-edge=1600,quality=70"
        way.add_argument("--for", metavar="CHANNEL", dest="channel", help=channel)
        least = "hide so that it survives what is saved anew, by codec robust: quality=62 (JPEG, or better), webp=80"
        way.add_argument("--survive", metavar="WHAT", dest="channel", type=at_least, help=least)
    for each in (hide, capacity, rank):
        halve = "scale the photo down to half first: it no longer shows how it was compressed"
        if each is rank:
            each.add_argument("--halve", action="store_true", help=halve)
            continue
        size = each.add_mutually_exclusive_group()
        drawn = "; a few pixels at its edges and the phase are drawn at random"
        size.add_argument("--halve", action="store_true", help=halve + drawn)
        exact = "the same with nothing drawn, for work that is to be repeated"
        size.add_argument("--exact-halve", action="store_const", const="exact", dest="halve", help=exact)
    for each in (hide, reveal, capacity, album):
        each.add_argument("--json", action="store_true", help="print the result as one JSON object")
    rank.add_argument("photos", metavar="FOLDER", type=existing_folder, help="folder of photos, with those below it")
    rank.add_argument(
        "--payload", metavar="BYTES", type=whole_number(0), required=True, help="size of what is to be hidden"
    )
    sheet = "draw the first photos, with what is safe in each, as a picture: a .png to write"
    rank.add_argument("--sheet", metavar="PNG", help=sheet)
    rank.add_argument("--json", action="store_true", help="print a list of JSON objects, one for each photo")
    demo.add_argument("--out", metavar="DIR", default="demo", help="folder for the images (default: demo)")
    train.add_argument("data", metavar="DATA", nargs="*", type=weighted_folder, help="FOLDER or FOLDER=WEIGHT")
    train.add_argument("-o", "--output", metavar="RUN", required=True, help="folder of the run")
    train.add_argument("--preset", metavar="NAME", help=f"{', '.join((*PRESETS, *BASELINES))} (default: default)")
    train.add_argument("--config", metavar="TOML", help="a configuration of your own instead of a preset")
    setting = "change one key of it: seed=7, rounds.rounds=0 (may be repeated)"
    train.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help=setting)
    train.add_argument("--start", metavar="WEIGHTS", help="begin with the weights of a checkpoint, run or release")
    train.add_argument("--resume", action="store_true", help="go on with the run in RUN")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: auto)")
    colours.add_argument("photos", metavar="FOLDER", nargs="+", type=existing_folder, help="folders of photos")
    colours.add_argument("-o", "--output", metavar="RUN", required=True, help="folder of the run, new or to go on")
    minutes = "time to train for in all (default: %(default)s)"
    colours.add_argument("--minutes", metavar="N", type=float, default=120.0, help=minutes)
    colours.add_argument("--stop-after", metavar="N", type=float, help="minutes after which to stop, to go on later")
    batch = "crops per group, for the memory there is (default: %(default)s)"
    colours.add_argument("--batch", metavar="N", type=whole_number(1), default=12, help=batch)
    noise.add_argument("photos", metavar="FOLDER", nargs="+", type=existing_folder, help="folders of photos")
    noise.add_argument("-o", "--output", metavar="RUN", required=True, help="folder of the run, new or to go on")
    noise.add_argument("--steps", metavar="N", type=whole_number(1), default=7000, help="(default: %(default)s)")
    crops = "per step, for the memory there is (default: %(default)s)"
    noise.add_argument("--batch", metavar="N", type=whole_number(1), default=48, help=f"crops {crops}")
    export.add_argument("run", metavar="RUN", help="folder of the run")
    data = "photos, if they have moved; for the other two networks, those that the card measures"
    export.add_argument("data", metavar="DATA", nargs="*", type=weighted_folder, help=data)
    export.add_argument("-o", "--output", metavar="DIR", required=True, help="new folder to write")
    export.add_argument("--noise", metavar="LEVELS", type=float, help="run a pyramid at another noise than in training")
    export.add_argument("--json", action="store_true", help="print the facts of the release as one JSON object")
    benchmark.add_argument("photos", metavar="PHOTOS", type=existing_folder, help="folder of photos")
    benchmark.add_argument("-o", "--output", metavar="OUT", required=True, help="folder of results, new or to go on")
    benchmark.add_argument("--preset", choices=("small", "paper"), default="small", help="how much is run")
    benchmark.add_argument("--jobs", metavar="N", type=whole_number(1), default=1, help="processes (default: 1)")
    channels = "measure instead what survives recompression, resizing and the like on the way to the receiver"
    benchmark.add_argument("--channels", action="store_true", help=channels)
    methods = "what hides, with --channels: codecs, lsb, dwtdct, as in jpeg@256B (per megapixel), jpeg@400bytes"
    benchmark.add_argument("--methods", metavar="METHOD", nargs="+", help=methods)
    through = "channels, with --channels: as-sent, jpeg-q75, webp-q80, resize-0.75+jpeg-q75, ..."
    benchmark.add_argument("--through", metavar="CHANNEL", nargs="+", help=through)
    retrain = "train the methods' networks anew, as the preset says, instead of taking those that ship"
    benchmark.add_argument("--retrain", action="store_true", help=retrain)
    benchmark.add_argument("--vgg", metavar="FILE", type=Path, help="VGG-16 weights, to train the paper's network with")
    benchmark.add_argument("--hyperiqa", metavar="FILE", type=Path, help="published HyperIQA weights, if wanted")
    dataset.add_argument("photos", metavar="PHOTOS", help="folder of photos, or an fsspec URL")
    dataset.add_argument("-o", "--output", metavar="OUT", required=True, help="folder or URL, new or to go on")
    methods = (
        "what makes stegos, METHOD@LOAD: stealth@0.4 (bits per pixel), jpeg@0.2 (per non-zero chroma AC), jpeg@safe"
    )
    dataset.add_argument("--method", metavar="METHOD", nargs="+", required=True, help=methods)
    count = "covers (default: one of each photo; more take further pieces of --size)"
    dataset.add_argument("--count", metavar="N", type=whole_number(1), help=count)
    dataset.add_argument("--seed", metavar="S", type=whole_number(0), default=0, help="(default: 0)")
    squares = "cut covers of NxN pixels out of photos (default: whole photos)"
    dataset.add_argument("--size", metavar="N", type=whole_number(1), help=squares)
    dataset.add_argument("--halve", action="store_true", help="scale photos down to half first")
    made = "of JPEG covers that are not the photos' own files (default: 90)"
    dataset.add_argument("--quality", metavar="Q", type=whole_number(1), help=made)
    dataset.add_argument("--jobs", metavar="N", type=whole_number(1), default=1, help="processes here (default: 1)")
    backend = "what spreads the work: processes here (loky, the default), or the workers of a Dask or Ray cluster"
    dataset.add_argument("--backend", choices=("loky", "dask", "ray"), default="loky", help=backend)
    dataset.add_argument("--address", metavar="A", help="of the cluster (default: one of N workers on this machine)")
    serve.add_argument("--port", metavar="N", type=int, default=0, help="port to listen on (default: a free one)")
    serve.add_argument("--host", metavar="H", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    limit = "end a job that takes longer (default: %(default)s)"
    serve.add_argument("--time-limit", metavar="SECONDS", type=whole_number(1), default=1800, help=limit)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="for which shell")
    return top


def cores() -> int:
    """How many this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def at_least(text: str) -> str:
    """The channel whose quality is that of the text or better."""
    return re.sub(r"\b(quality|webp)=", r"\1>=", text)


def existing_folder(text: str) -> Path:
    """A folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {text!r}")
    return Path(text)


def whole_number(least: int) -> Callable[[str], int]:
    """A type of argument: whole numbers from `least` on."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"at least {least}, not {text}")
        return int(text)

    return number


def weighted_folder(text: str) -> tuple[Path, float]:
    """Split FOLDER=WEIGHT; argparse names this function when the weight is no number."""
    folder, _, weight = (text, "=", "1") if Path(text).is_dir() else text.rpartition("=")
    if not folder or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {folder or text!r}")
    if not 0 < float(weight) < math.inf:
        raise argparse.ArgumentTypeError(f"a weight is more than 0, not {weight}")
    return Path(folder), float(weight)
