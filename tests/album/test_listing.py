"""What of a folder counts, and names that no two files share."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from stegcinn.album.listing import output_names, photos_in, unlike
from stegcinn.errors import UsageError


def test_files_below_count_and_hidden_ones_do_not(tmp_path):
    for name in ("b.jpg", "a.png", "more/c.jpg", ".DS_Store", ".thumbs/d.jpg", "more/.e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert photos_in(tmp_path) == [Path("a.png"), Path("b.jpg"), Path("more/c.jpg")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="has no files"):
        photos_in(tmp_path / "empty")
    with pytest.raises(UsageError, match="is no folder"):
        photos_in(tmp_path / "a.png")


@pytest.mark.parametrize(("hosts", "kept", "names"), [
    ([("a.png", ".png"), ("b.jpg", ".jpg")], [], ["a.png", "b.jpg"]),
    ([("a.JPEG", ".jpg"), ("b.jfif", ".jpg"), ("c.PNG", ".png")], [], ["a.JPEG", "b.jfif", "c.PNG"]),
    ([("a.webp", ".png"), ("a.png", ".png"), ("a.tif", ".png")], [], ["a-2.png", "a.png", "a-3.png"]),
    ([("a.webp", ".png")], ["a.png"], ["a-2.png"]),
    ([("a.webp", ".png")], ["A.PNG"], ["a-2.png"]),
    ([("more/a.webp", ".png")], ["a.png"], ["more/a.png"]),
    ([("a.webp", ".png"), ("a-2.png", ".png"), ("a.png", ".png")], [], ["a-3.png", "a-2.png", "a.png"]),
])  # fmt: skip
def test_output_names(hosts, kept, names):
    found = output_names([(PurePath(name), suffix) for name, suffix in hosts], map(PurePath, kept))
    assert [name.as_posix() for name in found] == names


def test_names_are_unlike_whatever_their_case():
    names = ["a.png", "A.png", "a-2.png", "b.png", "a.png"]
    assert [name.as_posix() for name in unlike(map(PurePath, names))] == [
        "a.png",
        "A-2.png",
        "a-2-2.png",
        "b.png",
        "a-3.png",
    ]
