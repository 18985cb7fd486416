"""Files and folders are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from stegcinn.errors import UsageError
from stegcinn.files import new_folder, replacing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_when_all_of_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for text in ("old", "new"):
        with replacing(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "old"
        assert path.read_text() == text
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("half of it and \ud800", "utf-8")
    with pytest.raises(IsADirectoryError), replacing(path):
        path.parent.read_text()
    assert path.read_text() == "new"
    assert names(path.parent) == ["file"]


def test_several_may_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as one, replacing(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # which ends last
    assert names(tmp_path) == ["file"]


def test_a_folder_appears_when_all_of_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder"
    with pytest.raises(UnicodeEncodeError), new_folder(path) as temporary:
        (temporary / "file").write_text("half of it and \ud800", "utf-8")
    assert names(path.parent) == []
    with new_folder(path) as temporary:
        (temporary / "file").touch()
        assert not path.exists()
    assert names(path) == ["file"]
    assert names(path.parent) == ["folder"]
    with pytest.raises(UsageError, match="already exists"), new_folder(path):
        pytest.fail("this folder is not new")
    assert names(path) == ["file"]
