"""The landing zone: raw files in a local folder or under an ``s3://`` address, listed and opened in the same way."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa
from pyarrow import fs

from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings
from lakehouse.storage import s3

# Names that begin so are temporary files and folders of writers.
TEMPORARY = re.compile(r"(^|/)[_.]")


@dataclass(frozen=True, order=True)
class RawFile:
    """One listed file: its path relative to the landing zone, its size in bytes and its modification time (UTC).

    ``name`` is the path in a local folder, which differs from ``path`` if it is not UTF-8.
    """

    path: str
    size: int
    modified_at: datetime
    name: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True)
class Listing:
    """What is in a landing zone.

    ``files`` are its ``*.parquet`` files at any depth, ordered by path. ``skipped`` has the cause for each folder or
    file that could not be looked at, and ``others`` the number of files with another ending, by ending.
    """

    files: list[RawFile] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)


class LandingZone(Protocol):
    """A place with raw files."""

    @property
    def root(self) -> str:
        """The folder of the raw files, as a user knows it."""

    def list(self) -> Listing:
        """Return what is there, nothing if the folder doesn't exist yet.

        What can't be looked at costs only itself; raise CryptoError if the whole folder can't be listed.
        """

    def open(self, file: RawFile) -> pa.NativeFile:
        """Open one file for random access; raise OSError or ValueError if it can't be opened."""

    def holds(self, file: RawFile) -> bool:
        """Return whether the file still has the listed size and time.

        Raise OSError or ValueError if that can't be found out.
        """


@dataclass(frozen=True)
class Folder:
    """A landing zone in a local folder.

    Names are bytes here, since a file can have a name that is not UTF-8, and the locale must not change what a name
    becomes in bronze: bytes that are not UTF-8 appear as ``\\xe9``.
    """

    root: str

    def list(self) -> Listing:
        """Return what is there."""
        found = Listing()
        paths = set[str]()
        for name, status in sorted(self._walk(found), key=lambda entry: entry[0]):
            path = _text(name)
            if path in paths:
                found.skipped[path] = "another file's name is written in the same way; rename one"
                continue
            paths.add(path)
            _add(found, path, status.st_size, status.st_mtime_ns, name)
        found.files.sort()
        return found

    def open(self, file: RawFile) -> pa.NativeFile:
        """Open one file for random access; raise OSError if it can't be opened."""
        return pa.OSFile(self._place(file))

    def holds(self, file: RawFile) -> bool:
        """Return whether the file still has the listed size and time; raise OSError if that can't be found out."""
        try:
            status = os.stat(self._place(file))
        except FileNotFoundError:
            return False
        return stat.S_ISREG(status.st_mode) and (status.st_size, _utc(status.st_mtime_ns)) == (
            file.size,
            file.modified_at,
        )

    def _place(self, file: RawFile) -> bytes:
        return os.path.join(os.fsencode(self.root), file.name or file.path.encode())

    def _walk(self, found: Listing) -> Iterator[tuple[bytes, os.stat_result]]:
        """Yield path and status of each file, and enter in ``found`` what can't be looked at."""
        root = os.fsencode(self.root)
        try:
            top = os.stat(root)
            os.scandir(root).close()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _listing_error(self.root, error) from error
        # Each folder to be listed, with the identities of those around it: a link back to one of them is not followed.
        folders = [(b"", frozenset({(top.st_dev, top.st_ino)}))]
        while folders:
            folder, around = folders.pop()
            try:
                with os.scandir(os.path.join(root, folder)) as entries:
                    names = [entry.name for entry in entries if not entry.name.startswith((b"_", b"."))]
            except OSError as error:
                found.skipped[_text(folder)] = f"the folder can't be listed ({error.strerror})"
                continue
            for path in (os.path.join(folder, name) for name in names):
                place = os.path.join(root, path)
                try:
                    status = os.stat(place)
                except OSError as error:
                    # A file that a writer has just renamed is not worth a word, a link that leads nowhere is.
                    if os.path.lexists(place):
                        found.skipped[_text(path)] = f"it can't be looked at ({error.strerror})"
                    continue
                identity = status.st_dev, status.st_ino
                if stat.S_ISREG(status.st_mode):
                    yield path, status
                elif not stat.S_ISDIR(status.st_mode):
                    found.skipped[_text(path)] = "it is not a regular file"
                elif identity in around:
                    found.skipped[_text(path)] = "it is a link to a folder around it"
                else:
                    folders.append((path, around | {identity}))


@dataclass(frozen=True)
class Bucket:
    """A landing zone in a bucket: a file system, and the bucket with the folder in it."""

    filesystem: fs.FileSystem
    root: str

    def list(self) -> Listing:
        """Return what is there."""
        bucket = self.root.partition("/")[0]
        try:
            infos = self.filesystem.get_file_info(fs.FileSelector(self.root, allow_not_found=True, recursive=True))
            # The folder can be missing, but the bucket must exist.
            if not infos and self.filesystem.get_file_info(bucket).type == fs.FileType.NotFound:
                raise FileNotFoundError(f"there is no bucket {bucket}")
        except (OSError, ValueError) as error:
            raise _listing_error(self.root, error) from error
        found = Listing()
        for info in sorted(infos, key=lambda info: info.path):
            name = info.path[len(self.root) + 1 :]
            if info.type == fs.FileType.File and not name.endswith("/") and not TEMPORARY.search(name):
                _add(found, name, info.size, info.mtime_ns)
        return found

    def open(self, file: RawFile) -> pa.NativeFile:
        """Open one file for random access; raise OSError or ValueError if it can't be opened."""
        return self.filesystem.open_input_file(f"{self.root}/{file.path}")

    def holds(self, file: RawFile) -> bool:
        """Return whether the file still has the listed size and time.

        Raise OSError or ValueError if that can't be found out.
        """
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
        return Folder(address.rstrip("/") or "/")
    return Bucket(s3.file_system(settings), address.removeprefix("s3://").rstrip("/"))


def _add(found: Listing, path: str, size: int, modified: int, name: bytes = b"") -> None:
    """Enter a file in a listing; ``modified`` is in nanoseconds since 1970."""
    if not path.endswith(".parquet"):
        ending = os.path.splitext(path)[1]
        found.others[ending] = found.others.get(ending, 0) + 1
        return
    try:
        found.files.append(RawFile(path, size, _utc(modified), name))
    except (ValueError, OverflowError, OSError):
        found.skipped[path] = "its modification time is beyond the year 9999; set another with `touch`"


def _text(path: bytes) -> str:
    return path.decode(errors="backslashreplace")


def _listing_error(root: str, error: Exception) -> CryptoError:
    return CryptoError(
        f"The landing zone {root} can't be listed ({first_line(error)}); check its address, region and permissions."
    )


def _utc(nanoseconds: int) -> datetime:
    """Return nanoseconds since 1970 as a UTC time, truncated to microseconds, the resolution of the tables."""
    seconds, nanoseconds = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
