"""Where raw files are written: the landing zone, in the data home or in a bucket."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from lakehouse.settings import Settings
from lakehouse.storage import s3

BLOCK = 4 << 20


@dataclass(frozen=True)
class Destination:
    """A landing zone to which files are written whose names are plain; paths are relative to it."""

    filesystem: fs.FileSystem
    root: str

    @property
    def address(self) -> str:
        """The landing zone as a user knows it."""
        return self.root if isinstance(self.filesystem, fs.LocalFileSystem) else f"s3://{self.root}"

    def names(self, folder: str) -> list[str]:
        """Return the names in one of its folders, none if the folder doesn't exist; raise OSError."""
        infos = self.filesystem.get_file_info(fs.FileSelector(f"{self.root}/{folder}", allow_not_found=True))
        return [info.base_name for info in infos]

    def open(self, path: str) -> pa.NativeFile:
        """Open a file for random access; raise OSError if it can't be opened."""
        return self.filesystem.open_input_file(f"{self.root}/{path}")

    def holds(self, staged: Path, path: str) -> bool:
        """Return whether the file ``path`` is there with the bytes of a file of this machine; raise OSError."""
        (info,) = self.filesystem.get_file_info([f"{self.root}/{path}"])
        if info.type != fs.FileType.File or info.size != staged.stat().st_size:
            return False
        with staged.open("rb") as one, self.open(path) as other:
            return all(block == other.read(BLOCK) for block in iter(lambda: one.read(BLOCK), b""))

    def save(self, staged: Path, path: str) -> None:
        """Copy a finished file of this machine to ``path``, where it appears whole or not at all; raise OSError."""
        folder, _, name = f"{self.root}/{path}".rpartition("/")
        if isinstance(self.filesystem, fs.LocalFileSystem):
            self.filesystem.create_dir(folder)
        # Files whose names begin with _ are not landed, so one that a killed command left behind does no harm.
        unfinished = f"{folder}/_{name}"
        with staged.open("rb") as source, self.filesystem.open_output_stream(unfinished) as target:
            shutil.copyfileobj(source, target, BLOCK)
        self.filesystem.move(unfinished, f"{folder}/{name}")


def destination(settings: Settings) -> Destination:
    """Return where the settings' landing zone is written; raise CryptoError if S3 can't be set up."""
    return at(settings.landing_zone, settings)


def at(address: str, settings: Settings) -> Destination:
    """Return a landing zone in a folder or below an ``s3://`` address; raise CryptoError if S3 can't be set up."""
    if address.startswith("s3://"):
        return Destination(s3.file_system(settings), address.removeprefix("s3://").rstrip("/"))
    return Destination(fs.LocalFileSystem(), address)
