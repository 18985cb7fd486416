"""Where files are: a folder, or a place behind an fsspec URL (s3://bucket/photos, gs://, memory://)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stegcinn.errors import UsageError
from stegcinn.files import replacing


@dataclass(frozen=True)
class Store:
    """Files by their names, with / between folders, below one place."""

    url: str

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.url

    def sizes(self, below: str = "") -> dict[str, int]:
        """Bytes of all files in a folder of it and below that, by name, in order; none if there is no such folder."""
        if self.is_local:
            folder = Path(self.url)
            files = (path for path in (folder / below).rglob("*") if path.is_file())
            return dict(sorted((path.relative_to(folder).as_posix(), path.stat().st_size) for path in files))
        system, root = self._behind()
        start = len(root.rstrip("/")) + 1
        found = system.find(f"{root}/{below}", detail=True)
        return dict(sorted((path[start:], facts["size"]) for path, facts in found.items()))

    def read(self, name: str) -> bytes:
        """All of a file; OSError if there is none."""
        if self.is_local:
            return Path(self.url, name).read_bytes()
        system, root = self._behind()
        data: bytes = system.cat_file(f"{root}/{name}")
        return data

    def write(self, name: str, data: bytes) -> None:
        """A file that is there whole or not at all, as object stores have it by themselves."""
        if self.is_local:
            with replacing(Path(self.url, name)) as temporary:
                temporary.write_bytes(data)
            return
        system, root = self._behind()
        system.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        system.pipe_file(f"{root}/{name}", data)

    def _behind(self) -> tuple[Any, str]:
        """The file system and the path in it; UsageError where it cannot be reached."""
        try:
            from fsspec.core import url_to_fs

            system, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:  # each names what is missing
            raise UsageError(f"{self.url} cannot be opened: {error}") from error
        return system, root.rstrip("/")
