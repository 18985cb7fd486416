"""The tables of what survives, in Markdown: methods with their payloads and PSNR, then channels against methods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stegcinn.evaluation.benchmark.survival.methods import Method
from stegcinn.evaluation.benchmark.survival.work import LOST, SAME, WRONG
from stegcinn.evaluation.benchmark.tables import Table, markdown

Z = 1.959964  # of the normal distribution: 95 % two-sided
NOTE = (
    "Share of photos, in per cent, from whose container the payload comes back byte for byte after the channel, with "
    "Wilson's 95 % interval over photos. A container is made once and sent through every channel.\n"
)


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share that was `right` of `total` times seen (Wilson 1927)."""
    share, weight = right / total, Z**2 / total
    middle = (share + weight / 2) / (1 + weight)
    half = Z * math.sqrt(share * (1 - share) / total + weight / (4 * total)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)


def survival(content: dict[str, Any]) -> list[dict[str, Any]]:
    """For each method and channel: how many containers were sent, came back, were lost or wrong; share and interval."""
    rows = []
    for method, photos in content["arrivals"].items():
        for channel in content["channels"]:
            seen = [arrivals[channel] for arrivals in photos.values() if channel in arrivals]
            right, lost, wrong = (seen.count(kind) for kind in (SAME, LOST, WRONG))
            if total := right + lost + wrong:
                low, high = (round(bound, 4) for bound in wilson(right, total))
                rows.append({"method": method, "channel": channel, "sent": total, "came_back": right, "lost": lost,
                             "wrong": wrong, "share": round(right / total, 4), "low": low, "high": high})  # fmt: skip
    return rows


def methods_table(content: dict[str, Any]) -> Table:
    """Payload, PSNR and how many photos took it; how often something else than the payload was revealed as authentic.

    PSNR is of the mean squared error over photos (`work.error_of`).
    """
    table = [["method", "bytes, median", "bytes per megapixel", "PSNR, dB", "photos", "refused", "wrong payloads"]]
    for method, photos in content["containers"].items():
        made = [facts for facts in photos.values() if "refused" not in facts]
        wrong = sum(row["wrong"] for row in content["survival"] if row["method"] == method)
        row = [method, "-", "-", "-", "0", str(len(photos) - len(made)), "-"]
        if made:
            error = float(np.mean([facts["error"] for facts in made]))
            row[1:5] = [
                f"{np.median([facts['bytes'] for facts in made]):,.0f}",
                f"{np.median([1e6 * facts['bytes'] / facts['pixels'] for facts in made]):,.0f}",
                f"{10 * math.log10(255**2 / error):.1f}" if error else "unchanged", str(len(made)),
            ]  # fmt: skip
        table.append([*row[:6], str(wrong) if made and Method.parse(method).authentic else "-"])
    return table


def survival_table(content: dict[str, Any]) -> Table:
    """A row for each channel, a column for each method."""
    methods = list(content["arrivals"])
    cells = {(row["method"], row["channel"]): row for row in content["survival"]}
    table = [["channel", *methods]]
    for channel in content["channels"]:
        found = [cells.get((method, channel)) for method in methods]
        if any(found):
            table.append([channel, *map(_cell, found)])
    return table


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    return f"{100 * row['share']:.0f} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


def report(content: dict[str, Any]) -> str:
    """Everything as one Markdown text."""
    parts = ["# What survives which channel\n", markdown(methods_table(content)), NOTE]
    parts.append(markdown(survival_table(content)))
    if content["missing"]:
        parts += ["Not run:\n", *(f"- {name}: {reason}" for name, reason in content["missing"].items())]
    return "\n".join(parts).rstrip("\n") + "\n"
