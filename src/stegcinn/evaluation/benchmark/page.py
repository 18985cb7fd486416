"""A benchmark as one page that stands alone: tables beside the paper's, figures, what is missing and why."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

from stegcinn.evaluation.benchmark import tables
from stegcinn.evaluation.benchmark.detectors import DETECTORS, detectors_of
from stegcinn.evaluation.benchmark.plans import ATTACKED
from stegcinn.evaluation.benchmark.tables import NATURAL, PROTOCOLS, Table

PROVEN = 0.8  # accuracy on plain LSB matching from which a detector says something
STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1b24; --soft: #5b5b6b; --line: #d6d6e0; --tint: #f3f3f7;
  --paper: #5a3fd0; font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { :root { --ground: #131319; --ink: #ececf3; --soft: #a9a9bb; --line: #343442;
  --tint: #1d1d26; --paper: #b3a1ff; } }
body { max-width: 76rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; background: var(--ground); color: var(--ink); }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
p, li { max-width: 48rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { background: var(--tint); text-align: right; } th:first-child, td:first-child { text-align: left; }
tbody tr:hover { background: var(--tint); } .paper { color: var(--paper); }
figure { margin: 1.5rem 0; } figure img { max-width: 100%; background: #fff; } figure.sheet img { width: 100%;
  max-width: 64rem; image-rendering: pixelated; }
details summary { cursor: pointer; padding: .3rem 0; }
"""
DETECTION = {
    NATURAL: "The photo against its container: what a real attacker has.",
    PROTOCOLS[1]: "The paper's: an image drawn by the same network from random numbers against a container.",
}
FIGURES = {
    "detection": "Accuracy in colour on natural covers against load; 50 % is chance.",
    "latents": "How the latents of cinn are distributed at the finest level, in hosts and in containers.",
}


def page(content: Mapping[str, Any], figures: Mapping[str, bytes]) -> str:
    """The page of the content of results.json, HTML that needs no other file; `figures` are PNG files by their name."""
    parts = [
        f"<h1>Benchmark of stegcinn, preset {escape(content['preset'])}</h1>",
        f'<p class="soft">{escape(_summary(content))}</p>',
        "<p>The paper&#8217;s figures stand in <span class=paper>[square brackets]</span> beside those measured.</p>",
    ]
    gaps = missing(content)
    if gaps:
        parts += ["<h2>What is missing, and why</h2>", _list(gaps)]
    if content.get("rows"):
        parts += ["<h2>Methods</h2>", _table(tables.methods_table(content["rows"]))]
    for protocol in PROTOCOLS:
        table = tables.detections_table(content.get("detections", []), protocol)
        if len(table) > 1:
            parts += [f"<h2>Detection, {protocol}</h2>", f"<p>{DETECTION[protocol]} {escape(tables.BRACKETS)}</p>"]
            parts.append(_table(table))
    if content.get("speed"):
        parts += ["<h2>Speed</h2>", _table(tables.speed_table(content["speed"]))]
    drawn = [_figure(name, figures[name], FIGURES[name]) for name in FIGURES if name in figures]
    sheets = [
        _figure(name, png, f"{name}: photos, their containers, and the difference, eight times as large", "sheet")
        for name, png in sorted(figures.items()) if name not in FIGURES
    ]  # fmt: skip
    parts += ["<h2>Figures</h2>", *drawn] if drawn else []
    parts += ["<h2>Sheets</h2>", *sheets] if sheets else []
    parts += ["<h2>Environment</h2>", _table([["what", "version"], *_environment(content)])]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>stegcinn benchmark, {escape(content['preset'])}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts) + "\n</body>\n</html>\n"
    )  # fmt: skip


def missing(content: Mapping[str, Any]) -> list[str]:
    """What a reader would look for and not find, or must not rely on, each with its reason."""
    plan, used, found = content["plan"], content.get("used", {}), []
    for name, what in (("hosts", "hosts for detection"), ("photos", "photos to train on")):
        if used.get(name, plan[name]) < plan[name]:
            found.append(f"{used[name]:,} {what} instead of {plan[name]:,}: the folder holds no more that can be used.")
    if used and not used["vgg"]:
        found.append(
            "The paper's network sees features that were trained here, not those of VGG-16: its weights were not "
            "given (--vgg)."
        )
    rows = content.get("rows", [])
    if rows and not any("hyperiqa" in row for row in rows):
        found.append("HyperIQA: its published checkpoint was not given (--hyperiqa).")
    for row in rows:
        if row["failed_files"]:
            found.append(f"{row['name']}: {row['failed_files']} of {row['files']} files did not come back whole.")
        if row.get("no_room") == row["files"]:
            found.append(f"{row['name']}: no host had room, so that there is nothing to look at.")
    found += _unproven(content.get("detections", []))
    for detector in DETECTORS:
        if detector not in detectors_of(content["preset"]):
            found.append(f"{detector}: learns nothing in the few epochs of the preset {content['preset']}; not run.")
    for detector, share in plan.get("heavy", {}).items():
        seeds = "one seed" if share["seeds"] == 1 else f"{share['seeds']} seeds"
        planes = " in gray" if "colour" not in share["planes"] else ""
        found.append(
            f"{detector}: with {seeds}, and only{planes} on {', '.join(['its proof', *share['on']])}, as the preset "
            f"{content['preset']} has it."
        )
    if plan.get("attacked_only"):
        found.append(f"No network was trained on {', '.join(plan['attacked_only'])}; attackers without one were.")
    return found


def _unproven(detections: list[dict[str, Any]]) -> list[str]:
    """Detectors whose figures say nothing, as they do not see plain LSB matching."""
    proofs = {(row["detector"], row["planes"]): row["proof"] for row in detections
              if not row["identical"] and row["detector"] not in ATTACKED}  # fmt: skip
    found = []
    for (detector, planes), proof in sorted(proofs.items()):
        if proof is None:
            found.append(f"{detector} in {planes}: not proven, as it was not run on plain LSB matching.")
        elif proof < PROVEN:
            found.append(
                f"{detector} in {planes}: it sees plain LSB matching at 1.0 in {100 * proof:.1f} % only, below "
                f"{100 * PROVEN:.0f} %, so that what it does not see may be there."
            )
    return found


def _summary(content: Mapping[str, Any]) -> str:
    used, size = content.get("used", {}), content["plan"]["size"]
    hosts = f"{used['hosts']:,} hosts of {size}x{size} pixels from " if used else ""
    return f"{hosts}{content.get('photos', 'photos')}, {len(content.get('cells', {})):,} trainings and attacks."


def _environment(content: Mapping[str, Any]) -> Table:
    return [[name, str(value) if value is not None else "none"] for name, value in content["environment"].items()]


def _table(table: Table) -> str:
    head, *body = table
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rows = "\n".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f'<div class="wide"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def _cell(text: str) -> str:
    """What the paper has stands out."""
    return escape(text).replace("[", "<span class=paper>[").replace("]", "]</span>")


def _list(items: list[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"


def _figure(name: str, png: bytes, caption: str, kind: str = "chart") -> str:
    image = f'<img alt="{escape(name)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    return f'<figure class="{kind}">{image}<figcaption class="soft">{escape(caption)}</figcaption></figure>'
