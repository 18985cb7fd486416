"""The page that stands alone."""

from __future__ import annotations

from dataclasses import asdict
from html.parser import HTMLParser

from test_benchmark_report import DETECTION, ROW

from stegcinn.evaluation.benchmark.page import missing, page
from stegcinn.evaluation.benchmark.plans import PLANS

PNG = b"\x89PNG and more"
CONTENT = {
    "preset": "small", "photos": "my <photos>", "plan": asdict(PLANS["small"]), "cells": {"a": {}, "b": {}},
    "used": {"hosts": 500, "photos": 200, "vgg": True}, "environment": {"python": "3.11", "cuda": None},
    "rows": [ROW | {"hyperiqa": 30.0, "failed_files": 0}], "detections": [DETECTION],
    "speed": [{"method": "exact", "hide": 1.234, "reveal": 0.5, "peak_mb": 200, "exact": True}],
}  # fmt: skip


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_no_other_file_and_is_whole() -> None:
    html = page(CONTENT, {"detection": PNG, "ddh@1.0": PNG})
    read = Reader(html)
    assert not read.open
    assert read.sources == ["data:image/png;base64,iVBORyBhbmQgbW9yZQ=="] * 2
    assert not {"script", "link", "iframe"} & read.tags
    assert "url(" not in html
    for part in (
        "my <photos>", "98.1 [98.21]", "500 hosts of 128x128 pixels", "2 trainings and attacks", "natural-cover",
        "Speed", "1.23", "Figures", "Sheets", "python", "3.11",
    ):  # fmt: skip
        assert part in read.text
    assert "synthetic-cover" not in read.text
    assert "<photos>" not in html


def test_little_was_run_yet() -> None:
    few = {name: CONTENT[name] for name in ("preset", "plan", "environment")}
    read = Reader(page(few, {}))
    assert "Environment" in read.text
    assert not {"Methods", "Figures", "Sheets", "Speed"} & set(read.text.split())


def test_what_is_missing_and_why() -> None:
    usual = missing(CONTENT)
    assert [line.partition(":")[0].partition(" on")[0] for line in usual] == [
        "srnet",
        "yedroudjnet",
        "kenet",
        "efficientnet",
        "No network was trained",
    ]
    row = ROW | {"name": "exact@full", "failed_files": 0, "no_room": 40}
    weak = DETECTION | {"identical": False, "proof": 0.53}
    unknown = weak | {"detector": "xunet", "proof": None}
    used = {"hosts": 50, "photos": 200, "vgg": False}
    more = missing(CONTENT | {"rows": [ROW, row], "detections": [DETECTION, weak, unknown], "used": used})
    assert more[: -len(usual)] == [
        "50 hosts for detection instead of 500: the folder holds no more that can be used.",
        "The paper's network sees features that were trained here, not those of VGG-16: its weights were not given "
        "(--vgg).",
        "HyperIQA: its published checkpoint was not given (--hyperiqa).",
        "ddh@1.0: 3 of 40 files did not come back whole.",
        "exact@full: no host had room, so that there is nothing to look at.",
        "kenet in gray: it sees plain LSB matching at 1.0 in 53.0 % only, below 80 %, so that what it does not see may "
        "be there.",
        "xunet in gray: not proven, as it was not run on plain LSB matching.",
    ]
    for fine in ({"proof": 0.9}, {"detector": "code-length"}):  # who knows a codec need not see LSB matching
        assert missing(CONTENT | {"detections": [weak | fine]}) == usual
