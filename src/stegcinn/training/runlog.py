"""What a run writes besides checkpoints: a CSV log that a resumed run goes on with, and curves."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from stegcinn.files import replacing
from stegcinn.training import plot

COLUMNS = ("loss", "nll", "container_nll", "distance", "accuracy", "overshoot", "energy")
HEADER = ("step", "round", "seconds", "learning_rate", *COLUMNS)
CURVES = {  # charts of `curves.png`, and what is drawn in each
    "loss": ("loss",),
    "negative log-likelihood, nats per dimension": ("nll", "container_nll"),
    "distance of z' from z": ("distance",),
    "raw accuracy of rounded containers while training": ("accuracy",),
}


@dataclass(frozen=True)
class RunLog:
    """`log.csv` and `curves.png` in the folder of a run."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "log.csv"

    def rewind(self, step: int) -> float:
        """Start the log, or drop rows beyond `step`, which a killed run may have written after its checkpoint.

        Returns the seconds that the steps have taken so far.
        """
        rows = [row for row in self.rows() if int(row["step"]) <= step]
        with replacing(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, HEADER)
            writer.writeheader()
            writer.writerows(rows)
        return float(rows[-1]["seconds"]) if rows else 0.0

    def rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return list(csv.DictReader(file))

    def append(self, step: int, round_: int, seconds: float, rate: float, means: dict[str, float]) -> None:
        values = {name: f"{value:.6g}" for name, value in means.items()}
        row = {"step": step, "round": round_, "seconds": f"{seconds:.0f}", "learning_rate": f"{rate:.6g}", **values}
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, HEADER).writerow(row)

    def draw(self) -> None:
        rows, charts = self.rows(), []
        span = 0.0, max((float(row["step"]) for row in rows), default=1.0)  # the same in all charts
        for title, names in CURVES.items():
            series = {n: [(float(r["step"]), float(r[n])) for r in rows if r[n]] for n in names}
            if any(series.values()):
                charts.append(plot.chart(title, series, x_label="step", span=span))
        if charts:
            plot.stack(charts, self.folder / "curves.png")
