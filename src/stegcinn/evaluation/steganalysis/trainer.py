"""Training and testing of steganalysers on pairs of a cover and its stego, split by host."""

from __future__ import annotations

import copy
import csv
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stegcinn.carriers.luma import luma_of
from stegcinn.errors import StegcinnError
from stegcinn.evaluation.steganalysis.recipe import Detector, Recipe
from stegcinn.runtime.arrays import Float32, Int64, UInt8
from stegcinn.training import checkpoint

Samples = UInt8 | Float32  # 0..255
Window = tuple[slice, slice]  # rows and columns
WHOLE: Window = (slice(None), slice(None))
CERTAIN = 0.05  # nats of validation loss: who tells all apart, and so surely, has nothing left to learn
SETTLING = 128  # training hosts over which the statistics of normalisation are averaged; more change nothing
GRID = 8  # pixels: crops begin where blocks of a JPEG file do
COLUMNS = ("epoch", "seconds", "learning_rate", "train_loss", "validation_accuracy", "validation_loss")


@dataclass(frozen=True)
class Split:
    """Indices of the hosts for training, validation and test; no host is in two of them."""

    train: Int64
    validation: Int64
    test: Int64


def split_hosts(count: int, seed: int, *, validation: float = 0.1, test: float = 0.25) -> Split:
    """A random split of `count` hosts, the same for the same seed; at least one host in each part."""
    order = np.random.default_rng((seed, count)).permutation(count)
    first = max(1, round(count * validation))
    second = first + max(1, round(count * test))
    if second >= count:
        raise ValueError(f"{count} hosts are too few to split")
    return Split(order[second:], order[:first], order[first:second])


def planes_of(images: UInt8, planes: str) -> UInt8:
    """What a detector sees of (N, H, W, 3) images: "colour" all three channels, "gray" Pillow's luma (N, H, W, 1)."""
    match planes:
        case "colour":
            return images
        case "gray":
            return luma_of(images)[..., None]
    raise ValueError(f"planes are gray or colour, not {planes!r}")


@dataclass(frozen=True)
class Pairs:
    """Covers and stegos of the same hosts, each (N, H, W, P) uint8 or float32 on the device that trains."""

    covers: Tensor
    stegos: Tensor

    @classmethod
    def of(cls, covers: Samples, stegos: Samples, device: torch.device) -> Pairs:
        """From arrays of one shape."""
        if covers.shape != stegos.shape or covers.ndim != 4:
            raise ValueError(f"covers {covers.shape} and stegos {stegos.shape} must be pairs of (N, H, W, P)")
        return cls(*(torch.from_numpy(np.ascontiguousarray(x)).to(device) for x in (covers, stegos)))

    def batch(self, hosts: Int64, symmetry: int = 0, window: Window = WHOLE) -> tuple[Tensor, Tensor]:
        """Covers, then their stegos, as (2n, P, H, W) float32, and labels.

        `symmetry` 0..7 turns and flips all; only the rows and columns of the `window` are taken.
        """
        index, (rows, columns) = torch.from_numpy(hosts).to(self.covers.device), window
        x = torch.cat([images[:, rows, columns][index] for images in (self.covers, self.stegos)]).permute(0, 3, 1, 2)
        x = torch.rot90(x, symmetry % 4, (2, 3))
        x = x.flip(3) if symmetry >= 4 else x
        labels = torch.arange(2, device=x.device).repeat_interleave(len(hosts))
        return x.float().contiguous(memory_format=torch.channels_last), labels


@dataclass(frozen=True)
class Score:
    """Balanced accuracy at the threshold 0.5, and mean cross-entropy in nats."""

    accuracy: float
    loss: float

    def better_than(self, other: Score) -> bool:
        """By accuracy, and among equals by loss."""
        return (self.accuracy, -self.loss) > (other.accuracy, -other.loss)

    @property
    def is_certain(self) -> bool:
        """Whether all are told apart, with hardly a doubt."""
        return self.accuracy == 1 and self.loss < CERTAIN


@torch.no_grad()
def score(detector: Detector, pairs: Pairs, hosts: Int64, batch: int = 32) -> Score:
    """How well covers and stegos of `hosts` are told apart: as many of each, so plain accuracy is balanced."""
    detector.eval()
    right, loss = 0, 0.0
    for part in np.array_split(hosts, math.ceil(len(hosts) / batch)):
        x, y = pairs.batch(part)
        logits = detector(x)
        right += int((logits.argmax(1) == y).sum())
        loss += float(torch.nn.functional.cross_entropy(logits, y, reduction="sum"))
    return Score(right / (2 * len(hosts)), loss / (2 * len(hosts)))


@torch.no_grad()
def settle_norms(detector: Detector, pairs: Pairs, hosts: Int64, batch: int) -> None:
    """Set the statistics that normalisation uses outside training to plain averages over batches of `hosts`.

    The running averages lag behind weights that change fast, and residuals are heavy-tailed: after a few epochs with
    them a XuNet that told 90 % of its training batches right told 70 % right on the same images in evaluation.
    """
    norms = [module for module in detector.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's sign for a cumulative average
    detector.train()
    with torch.random.fork_rng():  # dropout draws, and must not disturb what is drawn elsewhere
        for start in range(0, len(hosts) - batch + 1, batch):
            detector(pairs.batch(hosts[start : start + batch])[0])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _optimizer(detector: Detector, recipe: Recipe) -> torch.optim.Optimizer:
    head = {id(parameter) for parameter in detector.head.parameters()}
    parameters = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    body_decay = 0.0 if recipe.decay_head_only else recipe.weight_decay
    groups = [
        {"params": [p for p in parameters if id(p) not in head], "weight_decay": body_decay},
        {"params": [p for p in parameters if id(p) in head], "weight_decay": recipe.weight_decay},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, recipe.learning_rate, momentum=recipe.momentum)
    # capturable: a checkpoint puts the step counts on the parameters' device
    return torch.optim.Adamax(groups, recipe.learning_rate, capturable=parameters[0].is_cuda)


@dataclass(frozen=True)
class Training:
    """The result of one training: the detector with its best weights, and its score on the test hosts."""

    detector: Detector
    test: Score
    validation: Score
    epoch: int  # whose weights were best on the validation hosts, from 1
    seconds: float


class Trainer:
    """One training of one detector; `run` goes on where the folder's last checkpoint stopped."""

    def __init__(
        self, build: Callable[[], Detector], recipe: Recipe, covers: Samples, stegos: Samples, split: Split, *,
        seed: int, folder: Path | None = None, start: Path | None = None,
        report: Callable[[str], None] = lambda line: None, easier: Sequence[Samples] = (),
    ) -> None:  # fmt: skip
        """`covers` and `stegos`: (N, H, W, P) of the same hosts. `folder` keeps checkpoint and log.csv.

        A new training begins with the best weights of the one in the folder `start`, if one is given. `easier`: stegos
        of falling loads that it sees before, as many as `recipe.eased` says; validation and test never see them.
        """
        if len(easier) != len(recipe.eased):
            raise ValueError(f"{len(easier)} sets of easier stegos for {len(recipe.eased)} lessons of the recipe")
        if recipe.crop is not None and recipe.crop > min(covers.shape[1:3]):
            raise ValueError(f"images of {covers.shape[2]}x{covers.shape[1]} pixels are smaller than a crop")
        self.recipe, self.split, self.seed, self.folder, self.report = recipe, split, seed, folder, report
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.detector = build().to(device)
        if start is not None:
            self.detector.load_state_dict(_best_weights(start))
        self.pairs = Pairs.of(covers, stegos, device)
        self.lessons = [*(Pairs.of(covers, each, device) for each in easier), self.pairs]
        self.optimizer = _optimizer(self.detector, recipe)
        self.best = Score(-1.0, math.inf)
        self.best_weights = copy.deepcopy(self.detector.state_dict())
        self.best_epoch = self.epoch = 0
        self.seconds = 0.0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / "last.safetensors").exists():
                self._resume(folder)

    def run(self) -> Training:
        """Train all epochs that are left, or until all validation hosts are surely told, and test the best weights.

        FloatingPointError if a loss is not finite.
        """
        while self.epoch < self.recipe.epochs and not self.best.is_certain:
            started = time.monotonic()
            rate = self.recipe.rate(self.epoch / self.recipe.epochs)
            loss = self._train_epoch(rate)
            batch = min(self.recipe.batch, len(self.split.train))
            settle_norms(self.detector, self.pairs, self.split.train[:SETTLING], batch)
            now = score(self.detector, self.pairs, self.split.validation)
            self.epoch += 1
            self.seconds += time.monotonic() - started
            if now.better_than(self.best):
                self.best, self.best_epoch = now, self.epoch
                self.best_weights = copy.deepcopy(self.detector.state_dict())
            row = (self.epoch, round(self.seconds, 1), rate, round(loss, 4), round(now.accuracy, 4), round(now.loss, 4))
            self._save(row)
            self.report(" ".join(f"{name} {value}" for name, value in zip(COLUMNS, row, strict=True)))
        self.detector.load_state_dict(self.best_weights)
        test = score(self.detector, self.pairs, self.split.test)
        return Training(self.detector, test, self.best, self.best_epoch, self.seconds)

    def _train_epoch(self, rate: float) -> float:
        """One pass over the training hosts in random order; the mean loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(self.split.train)
        losses = []
        pairs = self.lessons[self.recipe.lesson(self.epoch / self.recipe.epochs)]
        self.detector.train()
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**31)))  # for dropout, the only other thing that is random
            # whole batches only, lest normalisation sees two images; what is left over changes with every epoch
            batch = min(self.recipe.batch, len(order))
            for start in range(0, len(order) - batch + 1, batch):
                symmetry = int(rng.integers(8)) if self.recipe.augment else 0
                hosts, window = order[start : start + batch], self._window(rng)
                loss = self.detector.loss(*pairs.batch(hosts, symmetry, window))
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                losses.append(loss.detach())
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise FloatingPointError(f"the detector's loss is not finite in epoch {self.epoch + 1}")
        return mean

    def _window(self, rng: np.random.Generator) -> Window:
        """What the next step sees: a crop anywhere on the grid, if the recipe has crops."""
        if self.recipe.crop is None:
            return WHOLE
        places = [(side - self.recipe.crop) // GRID + 1 for side in self.pairs.covers.shape[1:3]]
        corner = [GRID * int(rng.integers(count)) for count in places]
        return slice(corner[0], corner[0] + self.recipe.crop), slice(corner[1], corner[1] + self.recipe.crop)

    def _facts(self) -> dict[str, object]:
        """What a checkpoint must agree with to be continued."""
        train = [int(n) for n in np.sort(self.split.train)]
        kind = type(self.detector).__name__
        return {"detector": kind, "recipe": json.loads(json.dumps(asdict(self.recipe))), "seed": self.seed,
                "train": train}  # fmt: skip

    def _save(self, row: tuple[float, ...]) -> None:
        if self.folder is None:
            return
        state = {
            "facts": self._facts(), "epoch": self.epoch, "seconds": self.seconds, "best": asdict(self.best),
            "best_epoch": self.best_epoch,
        }  # fmt: skip
        if self.best_epoch == self.epoch:
            checkpoint.write(self.folder / "best.safetensors", self.detector, self.optimizer, {})
        log = self.folder / "log.csv"
        fresh = not log.exists()
        with log.open("a", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([COLUMNS, row] if fresh else [row])
        checkpoint.write(self.folder / "last.safetensors", self.detector, self.optimizer, {"state": json.dumps(state)})

    def _resume(self, folder: Path) -> None:
        tensors, metadata = checkpoint.read(folder / "last.safetensors")
        state = json.loads(metadata["state"])
        if state["facts"] != self._facts():
            raise StegcinnError(f"{folder} holds another training; choose another folder")
        checkpoint.restore(tensors, self.detector, self.optimizer)
        self.best_weights = _best_weights(folder)
        self.best, self.best_epoch = Score(**state["best"]), state["best_epoch"]
        self.epoch, self.seconds = state["epoch"], state["seconds"]


def _best_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of the training in `folder` that were best on its validation hosts."""
    tensors, _ = checkpoint.read(folder / "best.safetensors")
    return {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
