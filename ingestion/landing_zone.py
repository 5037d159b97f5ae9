"""The landing zone: raw files in a local folder or under an ``s3://`` address, listed and opened in the same way."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings
from lakehouse.storage import s3


@dataclass(frozen=True, order=True)
class RawFile:
    """One listed file: its path relative to the landing zone, its size in bytes and its modification time (UTC)."""

    path: str
    size: int
    modified_at: datetime


@dataclass(frozen=True)
class LandingZone:
    """A file system and the folder in it that holds the raw files."""

    filesystem: fs.FileSystem
    root: str

    def files(self) -> list[RawFile]:
        """Return all ``*.parquet`` files at any depth, ordered by path; none if the folder doesn't exist yet.

        Names that begin with ``_`` or ``.`` are skipped: they are temporary files and folders of writers. Raise
        CryptoError if the folder can't be listed.
        """
        bucket = self.root.partition("/")[0]
        try:
            infos = self.filesystem.get_file_info(fs.FileSelector(self.root, allow_not_found=True, recursive=True))
            # The folder can be missing, but the bucket must exist.
            if bucket and not infos and self.filesystem.get_file_info(bucket).type == fs.FileType.NotFound:
                raise FileNotFoundError(f"there is no bucket {bucket}")
        except OSError as error:
            raise CryptoError(
                f"The landing zone {self.root} can't be listed ({first_line(error)}); "
                "check its address, region and permissions."
            ) from error
        prefix = len(self.root) + 1
        return sorted(
            RawFile(info.path[prefix:], info.size, _utc(info.mtime_ns))
            for info in infos
            if info.type == fs.FileType.File
            and info.path.endswith(".parquet")
            and not re.search(r"(^|/)[_.]", info.path[prefix:])
        )

    def open(self, path: str) -> pa.NativeFile:
        """Open one file for random access; raise OSError if it can't be opened."""
        return self.filesystem.open_input_file(f"{self.root}/{path}")

    def save(self, staged: Path, path: str) -> None:
        """Copy a finished file of this machine to ``path``, where it appears whole or not at all; raise OSError."""
        folder, _, name = f"{self.root}/{path}".rpartition("/")
        if isinstance(self.filesystem, fs.LocalFileSystem):
            self.filesystem.create_dir(folder)
        # Files whose names begin with _ are not landed, so one that a killed command left behind does no harm.
        unfinished = f"{folder}/_{name}"
        with staged.open("rb") as source, self.filesystem.open_output_stream(unfinished) as target:
            shutil.copyfileobj(source, target, 4 << 20)
        self.filesystem.move(unfinished, f"{folder}/{name}")

    def holds(self, file: RawFile) -> bool:
        """Return whether the file still has the listed size and time; raise OSError if that can't be found out."""
        (info,) = self.filesystem.get_file_info([f"{self.root}/{file.path}"])
        return info.type == fs.FileType.File and (info.size, _utc(info.mtime_ns)) == (
            file.size,
            file.modified_at,
        )


def of(settings: Settings) -> LandingZone:
    """Return the landing zone that the settings name; raise CryptoError if S3 can't be set up."""
    return at(settings.landing_zone, settings)


def at(address: str, settings: Settings) -> LandingZone:
    """Return the landing zone at a local folder or an ``s3://`` address."""
    if not address.startswith("s3://"):
        return LandingZone(fs.LocalFileSystem(), address)
    return LandingZone(s3.file_system(settings), address.removeprefix("s3://").rstrip("/"))


def _utc(nanoseconds: int) -> datetime:
    """Return nanoseconds since 1970 as a UTC time, truncated to microseconds, the resolution of the tables."""
    seconds, nanoseconds = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
