"""Albums over a codec that takes no time."""

from __future__ import annotations

import pytest

from fakes import load_fake
from stegcinn import candidates
from stegcinn.album import working


@pytest.fixture(autouse=True)
def _fake_codecs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for tests that are marked slow: those are about what is real."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(candidates, "load_codec", load_fake)
        monkeypatch.setattr(working, "load_codec", load_fake)
