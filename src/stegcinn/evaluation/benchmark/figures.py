"""The figures of a benchmark as PNG files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stegcinn.carriers.compare import amplified
from stegcinn.evaluation.benchmark.hosts import ImageSet
from stegcinn.files import replacing

SHEET = 8  # photos side by side


def save_sheet(hosts: ImageSet, stegos: ImageSet, path: Path) -> None:
    """In the manner of the paper's Figure 4: hosts, their containers, and the difference as `demo` shows it."""
    place = {name: index for index, name in enumerate(hosts.names)}
    chosen = range(min(SHEET, len(stegos.names)))
    above = np.concatenate([hosts.images[place[stegos.names[index]]] for index in chosen], 1)
    below = np.concatenate([stegos.images[index] for index in chosen], 1)
    sheet = Image.fromarray(np.concatenate([above, below, amplified(above, below)]))
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG")


def save_curves(detections: list[dict[str, Any]], path: Path) -> bool:
    """Accuracy in colour on natural covers against load, a panel for each detector; False if there is none to show.

    A detector is shown if it was run on some method at more than one load.
    """
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.use("agg")
    rows = [r for r in detections if r["planes"] == "colour" and r["protocol"] == "natural-cover"
            and isinstance(r["load_bpp"], float)]  # fmt: skip
    runs = Counter((row["detector"], row["method"]) for row in rows)
    detectors = sorted({detector for (detector, _), loads in runs.items() if loads > 1})
    colours = {method: f"C{index}" for index, method in enumerate(sorted({row["method"] for row in rows}))}
    if not detectors:
        return False
    figure = Figure(figsize=(4.5 * len(detectors), 3.6), layout="constrained")
    for axes, detector in zip(np.atleast_1d(figure.subplots(1, len(detectors), sharey=True)), detectors, strict=True):
        for method in sorted({row["method"] for row in rows if row["detector"] == detector}):
            mine = sorted((r for r in rows if (r["detector"], r["method"]) == (detector, method)),
                          key=lambda row: row["load_bpp"])  # fmt: skip
            axes.errorbar([r["load_bpp"] for r in mine], [100 * r["accuracy"] for r in mine],
                          yerr=[100 * (r["ci95"] or 0) for r in mine], marker="o", capsize=3, label=method,
                          color=colours[method])  # fmt: skip
        axes.axhline(50, color="0.6", linewidth=0.8)
        axes.set(title=detector, xlabel="load, bits per pixel")
        axes.legend(fontsize="small")
    figure.axes[0].set(ylabel="accuracy, %", ylim=(40, 102))
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return True


def save_histogram(shares: dict[str, np.ndarray[Any, Any]], edges: tuple[float, ...], path: Path) -> None:
    """Density of |z| at the finest level of hosts and containers: shares per bin of `edges`, the last one open."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.use("agg")
    widths = np.diff(np.array(edges[:-1]))
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, values in shares.items():
        axes.stairs(values[: len(widths)] / widths, edges[:-1], label=name)
    axes.set(xlabel="|z|", ylabel="density", title="latents at the finest level")
    axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
