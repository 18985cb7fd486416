"""One training run: steps, checkpoints that a killed run goes on from bit for bit, log, guards and sample sheets.

A run has phases: stage 1, then the rounds of stage 2. Every step draws from a generator of its own, seeded by (seed,
step, process), so a resumed run sees what an uninterrupted one does. Folder of a run:

    config.json  checkpoint.safetensors  log.csv  curves.png  sheet.png  photos.txt
    round-<n>.safetensors, rounds.json   the network after each round (0: stage 1), and what it reached
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from stegcinn.errors import UsageError
from stegcinn.runtime.arrays import UInt8
from stegcinn.training import checkpoint, plot
from stegcinn.training.cinn.build import build, load_weights
from stegcinn.training.cinn.config import RoundsConfig, RunConfig, from_dict, to_dict
from stegcinn.training.cinn.evaluation import Probe, probe
from stegcinn.training.cinn.objectives import Likelihood, Rounds, Step, prepare
from stegcinn.training.cinn.trainables import Network, Trainable
from stegcinn.training.data import PhotoSet, list_photos, read_host
from stegcinn.training.distributed import Team, choose_device, team
from stegcinn.training.runlog import RunLog
from stegcinn.training.schedule import Plateau, cosine, warmup

SHEET_PHOTOS = 16
PROBE = 1 << 40  # stands for the step in the seed of what is measured
Folders = list[tuple[Path, float]]


@dataclass(frozen=True)
class RunProgress:
    """How far a run is; means are over the steps since the last checkpoint."""

    step: int
    steps: int
    round: int  # 0 is stage 1
    loss: float
    accuracy: float | None  # raw accuracy of rounded containers, in stage 2
    images_per_second: float
    seconds_left: float
    saved: bool  # whether a checkpoint was just written


@dataclass
class _State:
    """What besides tensors a run goes on from."""

    step: int
    round: int
    plateau: Plateau
    probes: list[dict[str, Any]]


def train(
    config: RunConfig, folders: Folders, out: Path, *, start: Path | None = None, device: str = "auto",
    report: Callable[[RunProgress], None] = lambda progress: None, announce: Callable[[str], None] = lambda line: None,
) -> Trainable:  # fmt: skip
    """Train in the folder `out`, going on from its checkpoint if it has one, and return the network.

    `start` gives a new run the weights of a checkpoint or release. `announce` is told, in a line before the first step,
    what is going to be done, `report` how far it is after every one. UsageError if the folder holds a run of another
    configuration or other photos; FloatingPointError if the loss stops being finite: the last checkpoint then stays.
    """
    wanted = choose_device(device).type
    with team(wanted) as crew, ExitStack() as stack:
        place = choose_device(device, crew.local_rank)
        run = _Run(config, folders, out, crew, place)
        if crew.writes:
            announce(run.plan())
        run.begin(start)
        pool = stack.enter_context(ThreadPoolExecutor(max(1, config.data.workers)))
        network = run.steps(pool, report)
        if crew.writes:
            announce(run.made())
        return network


def resume_config(out: Path) -> tuple[RunConfig, Folders]:
    """Configuration and photo folders of the run in `out`; UsageError if there is none, or none with a checkpoint."""
    try:
        facts = json.loads((out / "config.json").read_text())
    except (OSError, ValueError):
        raise UsageError(f"{out} holds no run to go on with") from None
    # without a checkpoint it may have begun with the weights of another run, which are named nowhere
    if not (out / checkpoint.FILE).exists():
        raise UsageError(f"{out} holds a run that was stopped before its first checkpoint; start it as a new one")
    return from_dict(facts["config"]), [(Path(folder), weight) for folder, weight in facts["folders"]]


class _Run:
    def __init__(self, config: RunConfig, folders: Folders, out: Path, crew: Team, device: torch.device) -> None:
        for name, batch in (("stage1.batch", config.stage1.batch), ("rounds.batch", config.rounds.batch)):
            if batch % crew.size:
                raise UsageError(f"{name} = {batch} cannot be shared by {crew.size} processes")
        torch.manual_seed(config.seed)
        self.config, self.folders, self.out, self.crew, self.device = config, folders, out, crew, device
        self.network: Trainable = build(config).to(device)
        self.hider: Network | None = None
        if config.rounds.rounds:
            if not isinstance(self.network, Network):
                raise UsageError(f"the network of {config.preset!r} paints no colours; it has no rounds")
            self.hider = deepcopy(self.network).requires_grad_(False).eval()
        data = config.data
        self.photos = PhotoSet(folders, crop=data.size, protocol=data.protocol, limit=data.limit)
        self.manifest = hashlib.sha256(self.photos.manifest.encode()).hexdigest()
        self.log, self.saved = RunLog(out), out / checkpoint.FILE
        self.ends = [config.stage1.steps + config.rounds.iterations * r for r in range(config.rounds.rounds + 1)]
        self.state, self.seconds = _State(0, 0, Plateau(), []), 0.0
        self.optimizer = self._new_optimizer()
        self.hosts = self._hosts() if config.rounds.rounds and crew.writes else None

    # -- the course of a run

    def plan(self) -> str:
        """What there is to do, in a line."""
        steps, rounds = self.config.stage1.steps, self.config.rounds
        stages = f"{steps:,} steps"
        if rounds.rounds:
            stages += f" and {rounds.rounds} round{'s' * (rounds.rounds > 1)} of {rounds.iterations:,}"
        return (
            f"{sum(map(len, self.photos.groups)):,} photos, {stages} on {self.device.type}, "
            f"saved every {self.config.log.save_every:,}"
        )

    def made(self) -> str:
        """What there is now, and what to do with it, in a line."""
        made = [name for name in (checkpoint.FILE, "log.csv", "curves.png", "sheet.png") if (self.out / name).exists()]
        return f"{self.out} has {', '.join(made)}; next: stegcinn export {self.out} -o {self.out}-release"

    def begin(self, start: Path | None) -> None:
        """Take up the folder's run, or lay a new one there."""
        if self.saved.exists():
            self._restore()
        else:
            if start is not None:
                load_weights(start, self.network)
            if self.crew.writes:
                self.out.mkdir(parents=True, exist_ok=True)
                (self.out / "photos.txt").write_text(self.photos.manifest)
                folders = [(str(folder.resolve()), weight) for folder, weight in self.folders]
                facts = {"config": to_dict(self.config), "folders": folders, "stegcinn": version("stegcinn")}
                (self.out / "config.json").write_text(json.dumps(facts, indent=2) + "\n")
            if not self.ends[0]:  # stage 1 was another run's
                self._close_round()
            self._save()  # `start` would be forgotten if the run were killed before its first checkpoint
        if self.crew.writes:
            self.seconds = self.log.rewind(self.state.step)
        self.crew.wait()

    def steps(self, pool: ThreadPoolExecutor, report: Callable[[RunProgress], None]) -> Trainable:
        """All steps that are left."""
        history: list[dict[str, float]] = []
        started, first, total = time.monotonic(), self.state.step, self.ends[-1]
        objective = self._objective()
        for number, made in self._prepared(pool):
            history.append(self._take(objective, made, number))
            state = self.state
            state.step = done = number + 1
            closes = done == self.ends[state.round]
            saves = closes or done % self.config.log.save_every == 0
            seconds = time.monotonic() - started
            means = self._means(history) if saves else history[-1]
            if saves:
                self._log(means, self.seconds + seconds)
                history.clear()
            trained = state.round
            if closes:
                self._close_round()
                objective = self._objective()
            if saves:
                self._save()
            if self.crew.writes:
                pace = (done - first) / seconds
                batch = self._batch(trained) * self.crew.size
                report(
                    RunProgress(
                        done, total, trained, means["loss"], means.get("accuracy"), pace * batch,
                        (total - done) / pace, saves,
                    )
                )  # fmt: skip
        self.network.eval()
        return self.network

    def _take(self, objective: nn.Module, made: Step, number: int) -> dict[str, float]:
        """One step of the optimiser; returns its losses."""
        stage = self.config.rounds if self.state.round else self.config.stage1
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(number)
        mixed = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            losses: dict[str, Tensor] = objective(made)
        self.optimizer.zero_grad()
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._parameters(), stage.clip_norm)
        if not (torch.isfinite(losses["loss"]) and torch.isfinite(norm)):
            values = f"loss {losses['loss'].item()}, gradient {norm.item()}"
            raise FloatingPointError(f"{values} at step {number}; the last good checkpoint is {self.saved}")
        self.optimizer.step()
        return {name: value.item() for name, value in losses.items()}

    def _close_round(self) -> None:
        """H <- R, if the round is good, or R <- H and a smaller rate; then on to the next."""
        state, rounds = self.state, self.config.rounds
        if not rounds.rounds:
            return
        assert self.hider is not None
        taken = self._probe()
        if taken:
            self.hider.load_state_dict(self.network.state_dict())
        else:
            self.network.load_state_dict(self.hider.state_dict())
        if self.crew.writes:
            weights = {k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()}
            save_file(weights, self.out / f"round-{state.round}.safetensors")
            (self.out / "rounds.json").write_text(json.dumps(state.probes, indent=1) + "\n")
        if state.round == 0:
            self.optimizer, state.plateau = self._new_optimizer(), Plateau()
        elif not taken:
            self.optimizer = self._new_optimizer()
            state.plateau = Plateau(factor=state.plateau.factor / Plateau.DIVISOR)
        if state.round < rounds.rounds:
            state.round += 1

    def _probe(self) -> bool:
        """Measure the network as a hider on held-out photos; whether the round may be taken over."""
        verdict = torch.zeros(1, device=self.device)
        if self.hosts is not None:
            state, rounds = self.state, self.config.rounds
            rng = np.random.default_rng([self.config.seed, PROBE])  # the same latents after every round
            self.network.eval()
            found, containers = probe(self._flow, self.hosts, self.config.alpha, rng)
            self.network.train()
            last = next((Probe(**p["probe"]) for p in reversed(state.probes) if p["taken"]), None)
            taken = last is None or rounds.form == "printed" or _within(found, last, rounds)
            state.probes.append({"round": state.round, "taken": taken, "probe": asdict(found)})
            plot.sheet(self.hosts[:SHEET_PHOTOS], containers[:SHEET_PHOTOS], self.out / "sheet.png")
            verdict += float(taken)
        return bool((self.crew.mean(verdict) * self.crew.size).item() > 0.5)

    # -- parts

    def _prepared(self, pool: ThreadPoolExecutor) -> Iterator[tuple[int, Step]]:
        """The steps to come, made ahead by threads."""
        ahead: list[tuple[int, Future[Step]]] = []
        last, following = self.ends[-1], self.state.step
        while following < last or ahead:
            while following < last and len(ahead) < max(1, self.config.data.workers):
                ahead.append((following, pool.submit(self._make, following)))
                following += 1
            number, future = ahead.pop(0)
            yield number, future.result()

    def _make(self, number: int) -> Step:
        round_ = next(r for r, end in enumerate(self.ends) if number < end)
        rng = np.random.default_rng([self.config.seed, number, self.crew.rank])
        rgb = self.photos.crops(self._batch(round_), rng)
        return prepare(self.network, rgb, self.config.rounds if round_ else None, rng)

    def _batch(self, round_: int) -> int:
        return (self.config.rounds if round_ else self.config.stage1).batch // self.crew.size

    def _objective(self) -> nn.Module:
        self.network.train()
        inner: nn.Module
        if self.state.round:
            assert self.hider is not None
            inner = Rounds(self._flow, self.hider, self.config.rounds)
        else:
            inner = Likelihood(self.network)
        return DistributedDataParallel(inner) if self.crew.size > 1 else inner

    @property
    def _flow(self) -> Network:
        assert isinstance(self.network, Network)
        return self.network

    def _parameters(self) -> list[nn.Parameter]:
        return [p for p in self.network.parameters() if p.requires_grad]

    def _new_optimizer(self) -> torch.optim.Adam:
        return torch.optim.Adam(self._parameters(), betas=(0.9, 0.999))  # paper, section IV

    def _rate(self, number: int) -> float:
        if self.state.round:
            rounds = self.config.rounds
            rate = rounds.learning_rate * self.state.plateau.factor
            done = (number - self.ends[0]) / (self.ends[-1] - self.ends[0])
            return rate * cosine(done) if rounds.schedule == "cosine" else rate
        stage = self.config.stage1
        rate = stage.learning_rate * self.state.plateau.factor * warmup(number, stage.warmup)
        return rate * cosine(number / stage.steps) if stage.schedule == "cosine" else rate

    def _means(self, history: list[dict[str, float]]) -> dict[str, float]:
        names = list(history[0])
        table = torch.tensor([[row[name] for name in names] for row in history], dtype=torch.float64)
        # float32, as some backends cannot add anything longer
        means = self.crew.mean(table.mean(0).float().to(self.device)).cpu()
        return {name: float(value) for name, value in zip(names, means, strict=True)}

    def _log(self, means: dict[str, float], seconds: float) -> None:
        state, config = self.state, self.config
        rate = self._rate(state.step - 1)
        stage = config.rounds if state.round else config.stage1
        if stage.schedule == "plateau":
            state.plateau.update(means["loss"])
        if self.crew.writes:
            self.log.append(state.step, state.round, seconds, rate, means)
            if state.step % config.log.sheet_every == 0 or state.step == self.ends[-1]:
                self.log.draw()
                self._sheet()

    def _sheet(self) -> None:
        if self.hosts is not None:
            self.network.eval()
            rng = np.random.default_rng([self.config.seed, PROBE])
            _, containers = probe(self._flow, self.hosts[:SHEET_PHOTOS], self.config.alpha, rng)
            self.network.train()
            plot.sheet(self.hosts[:SHEET_PHOTOS], containers, self.out / "sheet.png")

    def _hosts(self) -> UInt8:
        """Held-out photos, resized to the paper's size."""
        count, size = self.config.log.test_photos, self.config.data.size
        paths = [p for folder, _ in self.folders for p in list_photos(folder, validation=True, limit=count)]
        if not paths:
            raise UsageError(
                "none of so few photos is held out, and stage 2 needs some to measure accuracy on; take eight or more"
            )
        return np.stack([read_host(path, size) for path in paths[:: max(1, len(paths) // count)][:count]])

    # -- checkpoints

    def _save(self) -> None:
        if not self.crew.writes:
            return
        state = self.state
        facts: dict[str, Any] = {
            "config": to_dict(self.config), "seed": self.config.seed, "step": state.step, "round": state.round,
            "plateau": asdict(state.plateau), "probes": state.probes, "manifest": self.manifest,
            "photos": sum(map(len, self.photos.groups)), "stegcinn": version("stegcinn"), "torch": torch.__version__,
        }  # fmt: skip
        metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
        checkpoint.write(
            self.saved, self.network, self.optimizer, metadata, {"hider": self.hider} if self.hider else {}
        )

    def _restore(self) -> None:
        tensors, metadata = checkpoint.read(self.saved)
        theirs = from_dict(json.loads(metadata["config"]))
        if theirs != self.config:
            raise UsageError(
                f"{self.out} holds a run of another configuration; resume it as it is, or name a new folder"
            )
        if metadata["manifest"] != self.manifest:
            raise UsageError(f"{self.out} was trained on other photos, which {self.out / 'photos.txt'} lists")
        self.state = _State(
            int(metadata["step"]), int(metadata["round"]), Plateau(**json.loads(metadata["plateau"])),
            json.loads(metadata["probes"]),
        )  # fmt: skip
        checkpoint.restore(tensors, self.network, self.optimizer)
        if self.hider is not None:
            checkpoint.restore(tensors, self.hider, prefix="hider")


def _within(found: Probe, last: Probe, rounds: RoundsConfig) -> bool:
    """Whether a round made colours neither louder nor paler nor clip more than allowed, or than they already did."""
    ratio, before = found.chroma_energy_ratio, last.chroma_energy_ratio
    in_bounds = min(rounds.min_energy_ratio, before) <= ratio <= max(rounds.max_energy_ratio, before)
    return in_bounds and found.clipped <= max(rounds.max_clipped, last.clipped)
