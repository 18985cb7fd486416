"""The tables of a benchmark in Markdown, the paper's figures beside those measured."""

from __future__ import annotations

from typing import Any, NamedTuple

NATURAL, SYNTHETIC = PROTOCOLS = ("natural-cover", "synthetic-cover")


class Published(NamedTuple):
    """What the paper tells of a method, in per cent but for BRISQUE."""

    protocol: str  # by which its steganalysers were tested, in gray
    figures: dict[str, float]


# Ren, Liu, Zhai, Wang, arXiv 2201.07444, tables 1 and 2. Its own method was tested on covers that the same network
# drew; the others draw none.
STEG_CINN = Published(SYNTHETIC, {
    "unrounded": 100.0, "rounded": 100.0, "xunet": 52.68, "yedroudjnet": 52.18, "kenet": 56.91, "brisque": 19.74,
})  # fmt: skip
PAPER = {
    "ddh@1.0": Published(NATURAL, {"unrounded": 98.21, "rounded": 69.23, "xunet": 100.0, "yedroudjnet": 100.0,
                                   "kenet": 100.0, "brisque": 49.97}),
    "ddh@0.25": Published(NATURAL, {"unrounded": 100.0, "rounded": 68.26, "xunet": 97.37, "yedroudjnet": 99.56,
                                    "kenet": 100.0}),
    "udh@1.0": Published(NATURAL, {"unrounded": 89.95, "rounded": 75.96, "xunet": 98.31, "yedroudjnet": 97.62,
                                   "kenet": 99.04, "brisque": 18.35}),
    "udh@0.25": Published(NATURAL, {"unrounded": 100.0, "rounded": 67.30, "xunet": 97.56, "yedroudjnet": 96.37,
                                    "kenet": 98.80}),
    "hidden@0.0018": Published(NATURAL, {"unrounded": 100.0, "rounded": 82.69, "xunet": 95.18, "yedroudjnet": 93.12,
                                         "kenet": 96.88, "brisque": 16.38}),
    "cinn@full": STEG_CINN,
    "cinn-paper@2.0": STEG_CINN,
}  # fmt: skip
UNKNOWN = Published(NATURAL, {})
BRACKETS = """In brackets: the paper's figures for methods that it tested by this protocol, all in gray. Gray or colour:
what an analyst achieves who trains the detector in both, and for each seed takes the one that does better on validation
hosts, which are not those of the test.
"""
Table = list[list[str]]


def markdown(table: Table) -> str:
    """A table whose first row is its head."""
    head, *body = ("| " + " | ".join(row) + " |" for row in table)
    return "\n".join([head, "|" + "---|" * len(table[0]), *body]) + "\n"


def percent(value: float | None, half: float | None = None) -> str:
    """A share in per cent, with half the width of its interval; a dash for what was not measured."""
    if value is None:
        return "-"
    return f"{100 * value:.1f}" + (f" ± {100 * half:.1f}" if half is not None else "")


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def methods_table(rows: list[dict[str, Any]]) -> Table:
    """Load, accuracy and quality of each method; the paper's accuracy and BRISQUE in brackets.

    BRISQUE and our own naturalness are the lower the better.
    """
    table = [["method", "bpp", "net bpp", "unrounded, %", "rounded, %", "after BCH, %", "failed", "PSNR", "SSIM",
              "CIEDE2000", "BRISQUE (host)", "naturalness (host)", "HyperIQA", "fine chroma (host)"]]  # fmt: skip
    for row in rows:
        paper = PAPER.get(row["name"], UNKNOWN).figures

        def beside(text: str, key: str, paper: dict[str, float] = paper) -> str:
            return f"{text} [{paper[key]:.2f}]" if key in paper else text

        room = f", no room in {row['no_room']}" if row.get("no_room") else ""
        table.append([
            row["name"], _number(row["bpp"], 4 if row["bpp"] < 0.01 else 2), _number(row["net_bpp"]),
            beside(percent(row["accuracy_unrounded"]), "unrounded"),
            beside(percent(row["accuracy_rounded"]), "rounded"), percent(row["accuracy_bch"]),
            # the looks are missing where there was nothing to look at
            f"{row['failed_files']} of {row['files']}{room}", _number(row.get("psnr"), 1), _number(row.get("ssim"), 4),
            _number(row.get("ciede2000")),
            f"{beside(_number(row.get('brisque'), 1), 'brisque')} ({_number(row.get('brisque_host'), 1)})",
            f"{_number(row.get('naturalness'))} ({_number(row.get('naturalness_host'))})",
            _number(row.get("hyperiqa"), 1),
            f"{_number(row.get('chroma_energy'))} ({_number(row.get('chroma_energy_host'))})",
        ])  # fmt: skip
    return table


def detections_table(detections: list[dict[str, Any]], protocol: str) -> Table:
    """Accuracy of every detector by a protocol, gray and colour, with its proof.

    In brackets the paper's figures, where it tested the method in gray by the same protocol. "Gray or colour" is what
    whoever trains both achieves with the one that does better on validation hosts.
    """
    table = [["method", "load", "planes", "detector", "accuracy, %", "gray or colour, %", "seeds", "proof, %"]]
    for row in detections:
        if row["protocol"] != protocol:
            continue
        text = percent(row["accuracy"], row["ci95"])
        paper = PAPER.get(f"{row['method']}@{row['load_bpp']}", UNKNOWN)
        if (paper.protocol, "gray") == (protocol, row["planes"]) and row["detector"] in paper.figures:
            text += f" [{paper.figures[row['detector']]:.2f}]"
        if row["identical"]:
            text += " (identical images)"
        table.append([row["method"], str(row["load_bpp"]), row["planes"], row["detector"], text,
                      percent(row.get("both"), row.get("both_ci95")), str(row["seeds"]),
                      percent(row["proof"])])  # fmt: skip
    return table


def speed_table(rows: list[dict[str, Any]]) -> Table:
    """Seconds per megapixel and peak memory."""
    table = [["method", "hide, s per megapixel", "reveal, s per megapixel", "peak, MB", "came back"]]
    table += [[row["method"], _number(row["hide"]), _number(row["reveal"]), _number(row["peak_mb"], 0),
               "yes" if row["exact"] else "NO"] for row in rows]  # fmt: skip
    return table


def report(content: dict[str, Any]) -> str:
    """All tables of a run as one Markdown text."""
    parts = [f"# Benchmark, preset {content['preset']}\n", "The paper's figures stand in square brackets.\n"]
    if content.get("rows"):
        parts += ["## Methods\n", markdown(methods_table(content["rows"]))]
    for protocol in PROTOCOLS:
        table = detections_table(content.get("detections", []), protocol)
        if len(table) > 1:
            parts += [f"## Detection, {protocol}\n", BRACKETS, markdown(table)]
    if content.get("speed"):
        parts += ["## Speed\n", markdown(speed_table(content["speed"]))]
    return "\n".join(parts)
