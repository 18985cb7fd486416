"""From a run of `stegcinn train --preset hidden|ddh|udh` to a release: weights, digests, and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from stegcinn.errors import UsageError
from stegcinn.evaluation.baselines.hiders import ADVERSARY, WIDTHS, AnyHider, shipped, to_ship
from stegcinn.evaluation.baselines.presets import HiderPreset
from stegcinn.evaluation.baselines.run import SIDE, networks_of, record_of, squares
from stegcinn.evaluation.baselines.training import hide_in
from stegcinn.files import new_folder
from stegcinn.runtime.arrays import UInt8
from stegcinn.training.releasefiles import write_config

TITLES = {"hidden": "HiDDeN (Zhu et al. 2018)", "ddh": "DDH (Baluja 2017)", "udh": "UDH (Zhang et al. 2020)"}

CARD = """# {name}

The networks of {title}, trained by this project with the published losses, weighed as told below, for `stegcinn
benchmark` to compare with. No codec uses them.

| | |
|---|---|
| width | {width} ({published} as published), {parameters:,} parameters, 16-bit floating point |
| trained with | stegcinn {stegcinn}, torch {torch}, {seconds:,.0f} s |
| photos | the middle {side}x{side} of {photos:,} |

{stages}
"Image" is the share of the published weight of the container's error; where it is not 1 there was no adversary.

{measured}
`stegcinn train --preset {method}` and `stegcinn export` made them. The photos are research sets; none is part of this
package. `config.json` names every file with its SHA-256.
"""


def release(run: Path, out: Path, tests: list[Path]) -> dict[str, Any]:
    """Export the finished run in `run` to the new folder `out`, and return its facts.

    `tests`: folders of photos whose middle the card has figures of, if there are any. UsageError if `out` exists, or
    the run is not finished. On failure nothing is left.
    """
    preset, record = record_of(run)
    photos = squares(tests, every=True) if tests else None
    networks = networks_of(run)
    with new_folder(out) as folder:
        names = [f"{load}.safetensors" for load in networks]
        for name, model in zip(names, networks.values(), strict=True):
            save_file(to_ship(model), folder / name)
            (folder / name).chmod(0o644)  # safetensors makes it private
        facts = {
            "method": preset.method, "width": preset.width, "stages": record["preset"]["stages"],
            "seconds": _seconds(run, preset), "photos": record["photos"], "photos_digest": record["digest"],
            "stegcinn": record["stegcinn"], "torch": record["torch"],
        }  # fmt: skip
        write_config(folder, names, facts)
        if photos is not None:
            facts["figures"] = {load: figures(shipped(f"{preset.method}@{load}", folder), photos) for load in networks}
            write_config(folder, names, facts)
        (folder / "README.md").write_text(_card(out.name, facts, next(iter(networks.values()))))
    return facts


def figures(model: AnyHider, photos: UInt8) -> dict[str, float]:
    """Mean share of bits that come back, in percent, and mean PSNR of the saved containers, in dB."""
    hidden = hide_in(model, model, photos, np.random.default_rng(0))
    squares_of = (hidden.images.astype(np.float64) - photos) ** 2
    likeness = 10 * np.log10(255**2 / np.maximum(squares_of.mean((1, 2, 3)), 1e-12))
    return {
        "photos": len(photos),
        "unrounded": round(100 * float(np.mean(hidden.unrounded)), 2),
        "rounded": round(100 * float(np.mean(hidden.rounded)), 2),
        "psnr": round(float(likeness.mean()), 2),
    }


def _seconds(run: Path, preset: HiderPreset) -> float:
    """What all stages took."""
    logs = ((run / f"stage-{n}" / "log.csv").read_text().splitlines() for n in range(1, len(preset.stages) + 1))
    try:
        return sum(float(lines[-1].split(",")[1]) for lines in logs)
    except (IndexError, ValueError) as error:
        raise UsageError(f"the log of {run} cannot be read ({error})") from None


def _table(*rows: tuple[object, ...]) -> str:
    """Markdown of a table, whose first row is its head."""
    head, *others = ("| " + " | ".join(map(str, row)) + " |\n" for row in rows)
    return head + "|---" * len(rows[0]) + "|\n" + "".join(others)


def _card(name: str, facts: dict[str, Any], model: AnyHider) -> str:
    stages = [
        (
            number, stage["load"], f"{c['steps']:,}", c["batch"], c["crop"],
            f"{c['learning_rate']:g} to {c['learning_rate'] * c['end']:g}", "{:g} to {:g}".format(*c["image"]),
        )
        for number, stage in enumerate(facts["stages"], 1)
        for c in (stage["config"],)
    ]  # fmt: skip
    measured = ""
    if "figures" in facts:
        rows = [(load, *found.values()) for load, found in facts["figures"].items()]
        measured = _table(("bits per pixel", "photos", "unrounded, %", "rounded, %", "PSNR, dB"), *rows)
        measured += "\nThese figures are of `stegcinn export`, of photos that were not trained on.\n"
    method = facts["method"]
    return CARD.format(
        name=name, title=TITLES[method], method=method, width=facts["width"], published=WIDTHS[method],
        parameters=sum(p.numel() for key, p in model.named_parameters() if not key.startswith(ADVERSARY)),
        stegcinn=facts["stegcinn"], torch=facts["torch"], seconds=facts["seconds"], photos=facts["photos"], side=SIDE,
        stages=_table(("stage", "bits per pixel", "steps", "batch", "crop", "rate", "image"), *stages),
        measured=measured,
    )  # fmt: skip
