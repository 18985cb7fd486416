"""The paper's Table 3 and Figure 3 from runs of `stegcinn train`: accuracy after each round, and histograms of z.

    python scripts/measure/rounds.py runs/paper runs/default --hosts test/small128 --out docs/results/rounds

writes OUT.json, OUT.md and OUT.png. Hosts are resized to the run's size; colours are generated for their gray-scale.
Every latent carries a bit, those of black and white pixels too. `net_bpp` counts bits that decode after error
correction, of containers that the sender repaired.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from stegcinn.training import plot
from stegcinn.training.cinn.build import build_flow, load_weights
from stegcinn.training.cinn.evaluation import Trial, evaluate
from stegcinn.training.cinn.loop import resume_config
from stegcinn.training.data import list_photos, read_host

COLUMNS = {
    "accuracy_unrounded": "unrounded", "accuracy_rounded": "rounded", "accuracy_repaired": "rounded, repaired",
    "net_bpp": "net bpp", "clipped": "clipped", "chroma_energy_ratio": "chroma energy ratio",
}  # fmt: skip


def measure(run: Path, hosts_folder: Path, every: int, seed: int) -> tuple[list[dict], dict[int, Trial]]:
    """One row per round of a run, and what was hidden and read in the first and the last of them."""
    config, _ = resume_config(run)
    paths = sorted(p for half in (False, True) for p in list_photos(hosts_folder, validation=half))[::every]
    hosts = np.stack([read_host(path, config.data.size) for path in paths])
    network = build_flow(config)
    rows: list[dict] = []
    trials: dict[int, Trial] = {}
    weights = sorted(run.glob("round-*.safetensors"), key=lambda p: int(p.stem.removeprefix("round-")))
    for path in weights:
        load_weights(path, network)
        scores, trial = evaluate(network, hosts, config.alpha, np.random.default_rng(seed))
        number = int(path.stem.removeprefix("round-"))
        figures = {k: round(v, 5) for k, v in asdict(scores).items()}
        rows.append({"preset": config.preset, "form": config.rounds.form, "round": number, **figures})
        print(json.dumps(rows[-1]), flush=True)
        if path in (weights[0], weights[-1]):
            trials[number] = trial
    return rows, trials


def table(rows: list[dict], command: str) -> str:
    lines = [f"| preset | form | round | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 3) + "|"]
    for row in rows:
        values = [f"{row[k]:.2%}" if k.startswith(("acc", "clip")) else f"{row[k]:.3f}" for k in COLUMNS]
        lines.append(f"| {row['preset']} | {row['form']} | {row['round']} | {' | '.join(values)} |")
    return f"# Rounds\n\nMade by `{command}`.\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--hosts", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="take only every n-th host")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, charts = [], []
    for run in args.runs:
        more, trials = measure(run, args.hosts, args.every, args.seed)
        rows += more
        name = f"{more[0]['preset']}, {more[0]['form']}"
        lines = {
            label: [(row["round"], row[key]) for row in more]
            for key, label in (("accuracy_rounded", "rounded"), ("accuracy_repaired", "repaired"))
        }
        charts.append(plot.chart(f"{name}: raw accuracy", lines, x_label="round"))
        for number, trial in trials.items():
            samples = {"hidden": trial.z.ravel(), "revealed after rounding": trial.rounded.ravel()}
            charts.append(plot.histogram(f"{name}: z hidden and revealed, round {number}", samples))
    runs = " ".join(f"runs/{run.name}" for run in args.runs)
    command = f"python scripts/measure/rounds.py {runs} --hosts {args.hosts.name}"
    command += f" --every {args.every}" if args.every > 1 else ""
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
    args.out.with_suffix(".md").write_text(table(rows, command))
    plot.stack(charts, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
