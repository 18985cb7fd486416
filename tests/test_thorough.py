"""What takes long to look for is looked for when asked."""

from __future__ import annotations

import pytest

import stegcinn
from photos import crop
from stegcinn.codecs import load_codec
from stegcinn.codecs.cinn import codec as cinn
from stegcinn.errors import RevealError

HOST = crop("astronaut", 96, 96, 100, 100)


@pytest.fixture
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cinn, "QUICK_PIXELS", 96 * 96 - 1)


@pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")
@pytest.mark.usefixtures("_everything_is_large")
def test_a_slow_codec_is_looked_for_when_asked() -> None:
    container = stegcinn.hide(HOST, b"kept", codec="cinn", password="right")
    with pytest.raises(RevealError, match=r"codec cinn takes long to look for: ask for a thorough search"):
        stegcinn.reveal(container, password="right")
    assert stegcinn.reveal(container, password="right", thorough=True) == b"kept"


@pytest.mark.usefixtures("_everything_is_large")
def test_no_is_the_same_word_for_word_whatever_is_there() -> None:
    told = set()
    with pytest.warns(stegcinn.StegcinnWarning):
        container = stegcinn.hide(HOST, b"kept", codec="exact", password="right")
    for image, password in ((HOST, None), (container, None), (container, "wrong")):
        with pytest.raises(RevealError) as caught:
            stegcinn.reveal(image, password=password)
        told.add(str(caught.value))
    assert len(told) == 1


def test_in_small_images_all_are_looked_for() -> None:
    photo = load_codec("cinn").open(stegcinn.stego.Source(HOST))
    assert not load_codec("cinn").is_slow(photo)
    with pytest.raises(RevealError) as caught:
        stegcinn.reveal(HOST)
    assert "thorough" not in str(caught.value)
