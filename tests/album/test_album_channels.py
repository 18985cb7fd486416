"""Albums whose photos are recompressed on the way: codec `robust` as it is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from photos import resized
from stegcinn import Album, SharesError, UsageError, hide_album, reveal_album
from stegcinn.cli.main import main
from stegcinn.sealing import keys

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")]

PAYLOAD = np.random.default_rng(3).bytes(330)
PHOTOS = [resized(name, 480, 640) for name in ("rocket", "coffee", "astronaut")]
CHANNEL = "quality=70"


def saved(file: bytes) -> bytes:
    """As the channel does it."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(file)) as image:
        image.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def album() -> Album:
    return hide_album(PHOTOS, PAYLOAD, channel=CHANNEL, spare=1)


def test_any_enough_photos_give_it_back_behind_the_channel(album):
    assert album.spare == 1
    assert all(container and container.codec == "robust" for container in album.containers)
    sent = [saved(container.file) for container in album.containers if container]
    for lost in range(3):
        assert reveal_album([file for number, file in enumerate(sent) if number != lost][::-1]) == PAYLOAD
    with pytest.raises(SharesError):
        reveal_album(sent[:1])


def test_the_password_is_stretched_once_for_all_photos(monkeypatch):
    stretched, real = [], keys.derive
    monkeypatch.setattr(keys, "derive", lambda *args, **kwargs: (stretched.append(kwargs), real(*args, **kwargs))[1])
    album = hide_album(PHOTOS, b"x" * 300, password="p", channel=CHANNEL)
    assert stretched.count({"shared": True}) == 1
    stretched.clear()
    assert reveal_album([each.file for each in album.containers if each], password="p") == b"x" * 300
    assert stretched.count({"shared": True}) == 1


def test_it_is_told_what_the_photos_survive_and_not_that_they_may_not_be_saved_anew(album):
    assert any("survives quality=70" in note for note in album.notes)
    assert not any("send" in note for note in album.notes)


def test_each_photo_is_filled_to_the_same_part(album):
    assert min(album.bytes) > 100
    assert album.level is None
    assert sum(album.bytes) - max(album.bytes) >= album.needed


def test_what_a_channel_does_not_go_with_is_refused():
    for options in ({"codec": "stealth"}, {"safe": True}, {"full": True}, {"channel": "pigeon"}):
        with pytest.raises(UsageError):
            hide_album(PHOTOS, PAYLOAD, **{"channel": CHANNEL, **options})


def test_the_command_line_makes_an_album_for_a_channel(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number, rgb in enumerate(PHOTOS[:2]):
        Image.fromarray(rgb).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "file").write_bytes(PAYLOAD[:200])
    assert main(["album", "photos", "file", "-o", "out", "--for", CHANNEL, "--spare", "1", "--jobs", "1"]) == 0
    told = capsys.readouterr()
    assert "robust" in told.out
    assert "survives quality=70" in told.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.jpg", "1.jpg"]
    (tmp_path / "out" / "0.jpg").unlink()
    (tmp_path / "out" / "1.jpg").write_bytes(saved((tmp_path / "out" / "1.jpg").read_bytes()))
    assert main(["reveal", "out", "-o", "back"]) == 0
    assert (tmp_path / "back").read_bytes() == PAYLOAD[:200]
    assert main(["album", "photos", "file", "-o", "other", "--for", CHANNEL, "--safe"]) == 2
