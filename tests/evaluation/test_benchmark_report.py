"""Tables and figures of a benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stegcinn.evaluation.benchmark import figures, tables
from stegcinn.evaluation.benchmark.hosts import ImageSet

ROW = {"name": "ddh@1.0", "bpp": 1.0, "accuracy_bch": 0.999, "net_bpp": 0.25, "accuracy_unrounded": 0.9812,
       "accuracy_rounded": None, "failed_files": 3, "files": 40, "psnr": 30.123, "ssim": 0.9, "ciede2000": 1.5,
       "brisque": 21.04, "brisque_host": 20.0, "chroma_energy": 2.0, "chroma_energy_host": 1.0}  # fmt: skip
DETECTION = {"method": "cinn", "load_bpp": "full", "detector": "kenet", "planes": "gray", "protocol": "natural-cover",
             "accuracy": 0.5, "ci95": 0.0, "seeds": 3, "proof": 0.93, "identical": True}  # fmt: skip


def width(path: Path) -> int:
    with Image.open(path) as image:
        return image.size[0]


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def accuracies(detections: list[dict], protocol: str) -> list[str]:
    head, *rows = tables.detections_table(detections, protocol)
    return [row[head.index("accuracy, %")] for row in rows]


def test_methods_beside_the_papers_figures() -> None:
    head, rule, row = cells(tables.markdown(tables.methods_table([ROW])))
    assert len(head) == len(rule) == len(row)
    found = dict(zip(head, row, strict=True))
    assert found["unrounded, %"] == "98.1 [98.21]"
    assert found["rounded, %"] == "- [69.23]"
    assert found["failed"] == "3 of 40"
    assert found["BRISQUE (host)"] == "21.0 [49.97] (20.0)"
    assert found["HyperIQA"] == "-"
    assert found["naturalness (host)"] == "- (-)"
    _, _, seen = cells(tables.markdown(tables.methods_table([ROW | {"naturalness": 7.5, "naturalness_host": 3.734}])))
    assert dict(zip(head, seen, strict=True))["naturalness (host)"] == "7.50 (3.73)"


def test_methods_that_found_little_room_or_none() -> None:
    looks = {"psnr", "ssim", "ciede2000", "brisque", "brisque_host", "chroma_energy", "chroma_energy_host"}
    full = {name: value for name, value in ROW.items() if name not in looks}
    for row, failed, brisque in (
        (ROW | {"no_room": 2}, "3 of 40, no room in 2", "21.0 [49.97] (20.0)"),
        (full | {"no_room": 37}, "3 of 40, no room in 37", "- [49.97] (-)"),
    ):
        head, _, line = cells(tables.markdown(tables.methods_table([row])))
        found = dict(zip(head, line, strict=True))
        assert (found["failed"], found["BRISQUE (host)"]) == (failed, brisque)


def test_detections_with_interval_proof_and_reason() -> None:
    colour = DETECTION | {"planes": "colour", "accuracy": 0.612, "ci95": 0.034, "identical": False}
    assert accuracies([DETECTION, colour], "natural-cover") == ["50.0 ± 0.0 (identical images)", "61.2 ± 3.4"]
    head, row, _ = tables.detections_table([DETECTION, colour], "natural-cover")
    assert dict(zip(head, row, strict=True))["proof, %"] == "93.0"
    assert accuracies([DETECTION], "synthetic-cover") == []
    known = DETECTION | {"both": 0.71, "both_ci95": 0.02}
    shown = [dict(zip(head, line, strict=True))["gray or colour, %"] for line in
             tables.detections_table([DETECTION, known], "natural-cover")[1:]]  # fmt: skip
    assert shown == ["-", "71.0 ± 2.0"]


def test_the_papers_detections_stand_where_they_were_measured_alike() -> None:
    """Those of its own method against synthetic covers, those of the others against photos, all in gray."""
    of_udh = {"method": "udh", "load_bpp": 1.0, "identical": False}
    for method, beside in (({}, {"synthetic-cover"}), (of_udh, {"natural-cover"})):
        for protocol in ("natural-cover", "synthetic-cover"):
            rows = [DETECTION | method | {"protocol": protocol, "planes": planes} for planes in ("gray", "colour")]
            gray, colour = accuracies(rows, protocol)
            assert ("[" in gray) == (protocol in beside)
            assert "[" not in colour


def test_a_report_has_the_parts_that_were_run() -> None:
    speed = {"method": "exact", "hide": 1.234, "reveal": 0.5, "peak_mb": 200, "exact": False}
    text = tables.report({"preset": "small", "rows": [ROW], "detections": [DETECTION], "speed": [speed]})
    assert "## Methods" in text
    assert "natural-cover" in text
    assert "synthetic-cover" not in text
    assert "| exact | 1.23 | 0.50 | 200 | NO |" in text
    assert "| 0.50 | - | NO |" in tables.report({"preset": "small", "speed": [speed | {"peak_mb": None}]})
    assert "## " not in tables.report({"preset": "small"})


def test_sheets_show_host_container_and_difference(tmp_path) -> None:
    hosts = ImageSet(("a", "b"), np.full((2, 16, 16, 3), 100, np.uint8))
    hosts.images[1] = 200
    figures.save_sheet(hosts, ImageSet(("b",), hosts.images[1:] + 2), tmp_path / "deep" / "sheet.png")
    with Image.open(tmp_path / "deep" / "sheet.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape == (48, 16, 3)
    assert [int(sheet[y, 0, 0]) for y in (0, 16, 32)] == [200, 202, 128 + 8 * 2]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["sheet.png"]


def test_curves_of_detectors_with_several_loads(tmp_path) -> None:
    rows = [DETECTION | {"method": "hill", "load_bpp": load, "detector": "xunet", "planes": "colour",
                         "accuracy": 0.5 + load / 5} for load in (0.4, 1.0)]  # fmt: skip
    assert figures.save_curves(rows, tmp_path / "curves.png")
    one_panel = width(tmp_path / "curves.png")
    assert one_panel > 300
    assert not figures.save_curves(rows[:1], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    more = [row | {"detector": "kenet"} for row in rows]
    figures.save_curves([*rows, *more], tmp_path / "curves.png")
    assert width(tmp_path / "curves.png") == pytest.approx(2 * one_panel, abs=4)


def test_histograms(tmp_path) -> None:
    shares = {"hosts": np.array([0.5, 0.3, 0.2]), "containers": np.array([0.1, 0.6, 0.3])}
    figures.save_histogram(shares, (0.0, 0.1, 1.0, np.inf), tmp_path / "z.png")
    assert width(tmp_path / "z.png") > 300
