"""Runs: they learn, go on bit for bit after a kill, share work between processes, and stop where they should."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from training_runs import HELD_OUT, tiny, write_photos

from stegcinn.errors import UsageError, WeightsError
from stegcinn.training import plot
from stegcinn.training.cinn import loop, trainables
from stegcinn.training.cinn.build import build, load_weights
from stegcinn.training.cinn.config import from_dict
from stegcinn.training.cinn.evaluation import Probe
from stegcinn.training.cinn.loop import resume_config, train
from stegcinn.training.cinn.objectives import Likelihood, outside, prepare
from stegcinn.training.data import PhotoSet

pytestmark = pytest.mark.usefixtures("one_thread")

GOLDEN = [
    11.5137, 11.092, 13.6572, 10.776, 14.3823, 9.9351, 7.8835, 8.2616, 9.4347, 10.2762,
    7.7084, 11.0027, 10.5281, 10.5069, 7.7467, 8.645, 9.2014, 7.7372, 9.9734, 9.2546,
]  # fmt: skip
GOLDEN_CONFIG = {"stage1__steps": 12, "rounds__iterations": 4, "log__save_every": 1, "log__sheet_every": 1000}


class StoppedError(Exception):
    pass


def stop_at(step):
    def report(progress):
        if progress.step == step:
            raise StoppedError

    return report


def weights(out):
    return load_file(out / "checkpoint.safetensors")


def log(out):
    """Rows of the log without the clock."""
    rows = csv.DictReader((out / "log.csv").read_text().splitlines())
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def uninterrupted(photos, tmp_path_factory, one_thread):
    out = tmp_path_factory.mktemp("run") / "out"
    return train(tiny(), photos, out, device="cpu"), out


def test_a_run_leaves_what_it_says(uninterrupted):
    network, out = uninterrupted
    assert {path.name for path in out.iterdir()} == {
        "config.json", "checkpoint.safetensors", "log.csv", "curves.png", "sheet.png", "photos.txt", "rounds.json",
        "round-0.safetensors", "round-1.safetensors", "round-2.safetensors",
    }  # fmt: skip
    assert not network.training
    assert [(row["step"], row["round"]) for row in log(out)] == [("3", "0"), ("4", "0"), ("6", "1"), ("8", "2")]
    assert all(row["accuracy"] and row["overshoot"] for row in log(out)[2:])
    with Image.open(out / "curves.png") as curves, Image.open(out / "sheet.png") as sheet:
        assert np.asarray(curves.convert("L")).std() > 1
        assert sheet.size == (2 * plot.SHOWN_SIDE, plot.CAPTION + plot.SHOWN_SIDE)  # one host with its container
    with safe_open(out / "checkpoint.safetensors", framework="pt") as file:
        facts = file.metadata()
    assert from_dict(json.loads(facts["config"])) == tiny()
    assert (facts["step"], facts["seed"], facts["photos"]) == ("8", "0", "4")
    assert len(facts["manifest"]) == 64
    assert facts["stegcinn"]
    rounds = json.loads((out / "rounds.json").read_text())
    assert [r["round"] for r in rounds] == [0, 1, 2]
    assert all(0 <= r["probe"]["accuracy_rounded"] <= 1 for r in rounds)
    assert_same(load_file(out / "round-2.safetensors"), dict(network.state_dict()))


def test_what_is_going_to_be_done_is_told_before_it_is_done(photos, tmp_path):
    told = []
    with pytest.raises(StoppedError):
        train(tiny(), photos, tmp_path, device="cpu", announce=told.append, report=stop_at(1))
    assert told == ["4 photos, 4 steps and 2 rounds of 2 on cpu, saved every 3"]


def test_what_was_made_is_told_with_what_comes_next(photos, tmp_path):
    told = []
    train(tiny(rounds__rounds=0), photos, tmp_path / "out", device="cpu", announce=told.append)
    out = tmp_path / "out"
    assert told[1:] == [
        f"{out} has checkpoint.safetensors, log.csv, curves.png; next: stegcinn export {out} -o {out}-release"
    ]


@pytest.mark.slow
def test_training_lowers_the_loss(photos, tmp_path):
    seen = []
    config = tiny(stage1__steps=60, stage1__learning_rate=2e-2, rounds__rounds=0, log__save_every=20)
    train(config, photos, tmp_path, device="cpu", report=lambda p: seen.append(p) if p.saved else None)
    assert [p.step for p in seen] == [20, 40, 60]
    assert seen[-1].loss < seen[0].loss - 0.5  # nats
    assert seen[-1].steps == 60
    assert seen[-1].seconds_left == 0
    assert seen[0].seconds_left > 0
    assert seen[0].images_per_second > 0


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 5])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(photos, uninterrupted, tmp_path, step):
    with pytest.raises(StoppedError):
        train(tiny(), photos, tmp_path, device="cpu", report=stop_at(step))
    train(tiny(), photos, tmp_path, device="cpu")
    assert_same(weights(tmp_path), weights(uninterrupted[1]))
    assert log(tmp_path) == log(uninterrupted[1])
    assert (tmp_path / "rounds.json").read_text() == (uninterrupted[1] / "rounds.json").read_text()


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(photos, uninterrupted, tmp_path):
    script = f"""
    import os, signal, sys, torch
    from pathlib import Path
    from stegcinn.training.cinn.loop import train
    from training_runs import tiny
    torch.set_num_threads(1)
    def report(progress):
        if progress.step == 7:
            os.kill(os.getpid(), signal.SIGKILL)
    train(tiny(), [(Path({str(photos[0][0])!r}), 1.0)], Path({str(tmp_path)!r}), device="cpu", report=report)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environment(), capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    config, folders = resume_config(tmp_path)
    assert (config, folders) == (tiny(), photos)
    with safe_open(tmp_path / "checkpoint.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "6"
    train(config, folders, tmp_path, device="cpu")
    assert_same(weights(tmp_path), weights(uninterrupted[1]))
    assert log(tmp_path) == log(uninterrupted[1])


def environment():
    paths = [str(Path(__file__).parent), *sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p), "OMP_NUM_THREADS": "1"}


def test_rows_written_after_the_last_checkpoint_are_dropped(photos, uninterrupted, tmp_path):
    with pytest.raises(StoppedError):
        train(tiny(), photos, tmp_path, device="cpu", report=stop_at(3))
    with (tmp_path / "log.csv").open("a") as file:
        file.write("5,1,9,0.1,1,1,,,,\n")
    train(tiny(), photos, tmp_path, device="cpu")
    assert log(tmp_path) == log(uninterrupted[1])


def test_the_first_losses_are_always_the_same(photos, tmp_path):
    losses = []
    train(tiny(**GOLDEN_CONFIG), photos, tmp_path, device="cpu", report=lambda p: losses.append(p.loss))
    assert losses == pytest.approx(GOLDEN, rel=2e-3)


def test_the_seed_counts(photos, uninterrupted, tmp_path):
    train(tiny(seed=1), photos, tmp_path, device="cpu")
    assert log(tmp_path)[0]["loss"] != log(uninterrupted[1])[0]["loss"]


def test_a_run_is_not_gone_on_with_under_other_conditions(photos, uninterrupted, tmp_path):
    out = uninterrupted[1]
    with pytest.raises(UsageError, match="another configuration"):
        train(tiny(seed=5), photos, out, device="cpu")
    others = write_photos(tmp_path / "others")
    (tmp_path / "others" / "photo1.png").unlink()
    with pytest.raises(UsageError, match="other photos"):
        train(tiny(), others, out, device="cpu")
    with pytest.raises(UsageError, match="holds no run"):
        resume_config(tmp_path)


def test_held_out_photos_are_needed_for_rounds(photos, tmp_path):
    folders = write_photos(tmp_path / "photos")
    (folders[0][0] / HELD_OUT).unlink()
    with pytest.raises(UsageError, match="held out"):
        train(tiny(), folders, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    photos, uninterrupted, tmp_path, monkeypatch, bad
):
    real, calls = trainables.negative_log_likelihood, []

    def likelihood(z, logdet):
        calls.append(1)
        return real(z, logdet) * (bad if len(calls) > 12 else 1)  # three levels: from the fifth step on

    monkeypatch.setattr(trainables, "negative_log_likelihood", likelihood)
    with pytest.raises(FloatingPointError, match=r"step 4.*checkpoint\.safetensors"):
        train(tiny(), photos, tmp_path, device="cpu")
    assert all(torch.isfinite(v).all() for v in weights(tmp_path).values())
    monkeypatch.undo()
    train(tiny(), photos, tmp_path, device="cpu")
    assert_same(weights(tmp_path), weights(uninterrupted[1]))


def test_a_run_can_start_from_other_weights(photos, uninterrupted, tmp_path):
    still = tiny(stage1__learning_rate=0.0, rounds__rounds=0)
    source = uninterrupted[1] / "checkpoint.safetensors"
    network = train(still, photos, tmp_path / "a", start=source, device="cpu")
    assert_same(dict(network.state_dict()), dict(uninterrupted[0].state_dict()))
    released = tmp_path / "cinn.safetensors"  # as a release names its tensors
    save_file({k.removeprefix("cinn."): v.contiguous() for k, v in network.state_dict().items()}, released)
    other = build(tiny())
    load_weights(released, other)
    assert_same(dict(other.state_dict()), dict(network.state_dict()))
    other = build(tiny(seed=1))
    load_weights(tmp_path, other)  # its folder
    assert_same(dict(other.state_dict()), dict(network.state_dict()))
    for nothing in (tmp_path / "missing", photos[0][0]):
        with pytest.raises(WeightsError, match="cannot be read"):
            load_weights(nothing, other)
    (tmp_path / "noise.safetensors").write_bytes(b"noise" * 100)
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(tmp_path / "noise.safetensors", other)
    save_file({"model.x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="not those of this network"):
        load_weights(tmp_path / "x.safetensors", other)


def test_other_weights_are_not_forgotten_by_an_early_kill(photos, uninterrupted, tmp_path):
    config = tiny(stage1__steps=0, rounds__learning_rate=0.0)
    source = uninterrupted[1] / "checkpoint.safetensors"
    with pytest.raises(StoppedError):
        train(config, photos, tmp_path, start=source, device="cpu", report=stop_at(1))
    with safe_open(tmp_path / "checkpoint.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "0"
    network = train(config, photos, tmp_path, device="cpu")
    assert_same(dict(network.state_dict()), dict(uninterrupted[0].state_dict()))
    assert [r["round"] for r in json.loads((tmp_path / "rounds.json").read_text())] == [0, 1, 2]


def test_a_run_without_a_checkpoint_is_not_gone_on_with(photos, uninterrupted, tmp_path, monkeypatch):
    """Nobody would know that it began with other weights."""

    def killed(self):
        raise StoppedError

    monkeypatch.setattr(loop._Run, "_save", killed)
    with pytest.raises(StoppedError):
        train(tiny(), photos, tmp_path, start=uninterrupted[1], device="cpu")
    with pytest.raises(UsageError, match="before its first checkpoint"):
        resume_config(tmp_path)


def test_the_clock_of_a_resumed_run_goes_on(photos, tmp_path):
    with pytest.raises(StoppedError):
        train(tiny(), photos, tmp_path, device="cpu", report=stop_at(3))
    path = tmp_path / "log.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert int(rows[0]["seconds"]) < 1000
    path.write_text(path.read_text().replace(f"3,0,{rows[0]['seconds']},", "3,0,5000,"))
    train(tiny(), photos, tmp_path, device="cpu")
    seconds = [int(row["seconds"]) for row in csv.DictReader(path.read_text().splitlines())]
    assert len(seconds) == 4
    assert min(seconds) == 5000


# -- stage 2


def test_a_round_that_grows_loud_is_not_taken_over(photos, tmp_path, monkeypatch):
    ratios = iter([0.5, 3.0, 0.6])
    real = loop.probe

    def probe(*arguments):
        found, containers = real(*arguments)
        return replace(found, chroma_energy_ratio=next(ratios)), containers

    monkeypatch.setattr(loop, "probe", probe)
    monkeypatch.setattr(loop._Run, "_sheet", lambda self: None)
    train(tiny(), photos, tmp_path, device="cpu")
    assert [r["taken"] for r in json.loads((tmp_path / "rounds.json").read_text())] == [True, False, True]
    kept, refused, last = (load_file(tmp_path / f"round-{r}.safetensors") for r in range(3))
    assert_same(refused, kept)
    assert any(not torch.equal(last[name], kept[name]) for name in kept)
    rates = [float(row["learning_rate"]) for row in log(tmp_path)[-2:]]
    assert rates[1] == pytest.approx(rates[0] / 5)


def test_the_printed_form_has_no_guard(photos, tmp_path, monkeypatch):
    found = iter([Probe(0.9, 0.0, 1.0), Probe(0.9, 0.9, 9.0), Probe(0.9, 0.9, 99.0)])
    black = np.zeros((1, 16, 16, 3), np.uint8)
    monkeypatch.setattr(loop, "probe", lambda *arguments: (next(found), black))
    monkeypatch.setattr(loop._Run, "_sheet", lambda self: None)
    train(tiny(rounds__form="printed"), photos, tmp_path, device="cpu")
    assert [r["taken"] for r in json.loads((tmp_path / "rounds.json").read_text())] == [True, True, True]
    assert [bool(row["nll"]) for row in log(tmp_path)] == [True, True, False, False]  # no photos in stage 2


@pytest.mark.parametrize(
    ("clipped", "ratio", "good"),
    [(0.004, 1.0, True), (0.006, 1.0, False), (0.004, 1.2, False), (0.004, 0.45, True), (0.004, 0.3, False)],
)
def test_guards(clipped, ratio, good):
    rounds = tiny(rounds__min_energy_ratio=0.4).rounds
    assert loop._within(Probe(0.9, clipped, ratio), Probe(0.9, 0.0, 0.5), rounds) == good
    assert loop._within(Probe(0.9, clipped, ratio), Probe(0.9, clipped, ratio), rounds)  # no worse than before


def test_a_falling_rate_spans_all_rounds(photos, tmp_path):
    config = tiny(rounds__form="straight-through", rounds__schedule="cosine", rounds__iterations=3, log__save_every=1)
    train(config, photos, tmp_path, device="cpu")
    rates = [float(row["learning_rate"]) for row in log(tmp_path) if row["round"] != "0"]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(config.rounds.learning_rate)
    assert rates[-1] < 0.2 * rates[0]


def test_what_is_beyond_a_bound_is_charged_for():
    ratios = torch.tensor([0.2, 0.4, 1.0, 1.1, 2.2])
    charged = outside(ratios, 0.4, 1.1)
    assert charged.tolist() == pytest.approx([math.log(2) ** 2, 0, 0, 0, math.log(2) ** 2], abs=1e-6)
    assert outside(ratios, 0.0, 1.1)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "low", "high"), [(0.0, 0.0, 0.1), (100.0, 0.5, 1.5)])
def test_the_charge_on_energy_brings_colours_back(photos, tmp_path, weight, low, high):
    """The weights begin with hardly any."""
    config = tiny(
        rounds__form="straight-through", rounds__rounds=1, rounds__iterations=40, rounds__learning_rate=1e-2,
        rounds__schedule="constant", rounds__energy_weight=weight, rounds__min_energy_ratio=0.9,
        stage1__steps=20, log__save_every=10,
    )  # fmt: skip
    train(config, photos, tmp_path, device="cpu")
    energies = [float(row["energy"]) for row in log(tmp_path) if row["energy"]]
    assert low < energies[-1] < high


@pytest.mark.slow
@pytest.mark.parametrize("form", ["printed", "anchored", "straight-through"])
def test_rounds_bring_latents_back_nearer(photos, tmp_path, form):
    config = tiny(
        rounds__form=form, rounds__rounds=1, rounds__iterations=40, rounds__learning_rate=3e-2,
        rounds__schedule="constant", rounds__weight=2000.0, stage1__steps=20, log__save_every=10,
    )  # fmt: skip
    train(config, photos, tmp_path, device="cpu")
    distances = [float(row["distance"]) for row in log(tmp_path) if row["distance"]]
    assert distances[-1] < 0.9 * distances[0]


# -- devices and processes


@pytest.mark.slow
def test_mixed_precision_computes_nearly_the_same(photos, tmp_path):
    losses = {}
    for precision in ("float32", "bfloat16"):
        seen = losses[precision] = []
        network = train(
            tiny(precision=precision, log__save_every=1), photos, tmp_path / precision, device="cpu",
            report=lambda p, seen=seen: seen.append(p.loss),
        )  # fmt: skip
        assert all(p.dtype == torch.float32 for p in network.parameters())
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"][:4] == pytest.approx(losses["float32"][:4], rel=0.02)


@pytest.mark.slow
def test_two_processes_train_one_network(photos, tmp_path):
    config = tiny(stage1__steps=1, rounds__rounds=0, stage1__batch=4, stage1__warmup=0)
    script = f"""
    import torch
    from pathlib import Path
    from stegcinn.training.cinn.loop import train
    from training_runs import tiny
    torch.set_num_threads(1)
    config = tiny(stage1__steps=1, rounds__rounds=0, stage1__batch=4, stage1__warmup=0)
    train(config, [(Path({str(photos[0][0])!r}), 1.0)], Path({str(tmp_path / "run")!r}), device="cpu")
    """
    (tmp_path / "job.py").write_text(textwrap.dedent(script))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*command, str(tmp_path / "job.py")], env=environment(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    assert [row["step"] for row in log(tmp_path / "run")] == ["1"]
    # one process that sees the photos of both, and takes the mean of their losses, ends at the same weights
    torch.manual_seed(config.seed)
    network = build(config).train()
    photo_set = PhotoSet(photos, crop=config.data.size)
    losses = []
    for rank in range(2):
        rng = np.random.default_rng([config.seed, 0, rank])
        losses.append(Likelihood(network)(prepare(network, photo_set.crops(2, rng), None, rng))["loss"])
    optimizer = torch.optim.Adam(network.parameters(), config.stage1.learning_rate)
    torch.stack(losses).mean().backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.stage1.clip_norm)
    optimizer.step()
    trained = weights(tmp_path / "run")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(trained[f"model.{name}"], value, rtol=1e-4, atol=1e-6)
    assert float(log(tmp_path / "run")[0]["loss"]) == pytest.approx(torch.stack(losses).mean().item(), rel=1e-4)


def test_a_batch_is_shared_evenly(photos, tmp_path):
    with pytest.raises(UsageError, match=r"stage1\.batch = 2"):
        loop._Run(tiny(), photos, tmp_path, loop.Team(0, 3), torch.device("cpu"))
