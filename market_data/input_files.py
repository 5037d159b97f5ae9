"""Files as people have them: plain, compressed with gzip, or in a zip archive, with a checksum beside them or not."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

import pyarrow as pa

from lakehouse.errors import CryptoError, first_line

HEAD_BYTES = 65_536
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
# What reading a broken or encrypted file raises, whatever wrote it.
BROKEN = (pa.ArrowInvalid, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, RuntimeError, ValueError)


@dataclass(frozen=True)
class InputFile:
    """One file of content: on its own, or a part of an archive.

    ``where`` is what the user calls it, ``path`` its path with the names of its folders, and ``opens`` opens its
    content, uncompressed. ``on_disk`` is the file itself if it is not compressed.
    """

    where: str
    path: PurePosixPath
    opens: Callable[[], IO[bytes]]
    on_disk: Path | None = None

    @cached_property
    def head(self) -> bytes:
        """The first bytes of the content."""
        with reading(self.where), self.opens() as stream:
            return stream.read(HEAD_BYTES)

    @property
    def name(self) -> str:
        """The name without folders and endings: ``BTCUSDT-trades-2024-01-01``."""
        name = self.path.name
        for ending in (".gz", ".csv", ".txt", ".json", ".feather", ".parquet"):
            name = name.removesuffix(ending)
        return name


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what a broken file raises into one sentence."""
    try:
        yield
    except BROKEN as error:
        raise CryptoError(
            f"{where} is broken, cut off or not as its kind should be ({first_line(error)}); get it again."
        ) from error
    except OSError as error:
        raise CryptoError(f"{where} can't be read ({first_line(error)}); check its path and permissions.") from error


def find_files(paths: Sequence[Path], refuse: Callable[[str], None]) -> Iterator[InputFile]:
    """Yield the content of files, and of the files in folders at any depth, in the order of names.

    Hidden files are skipped. ``refuse`` is told of archives that are broken, and of files that are not what the
    checksum beside them says. Raise CryptoError if a path does not exist.
    """
    for path in paths:
        if path.is_dir():
            inside = (file for file in sorted(path.rglob("*")) if file.is_file())
            files = [file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts)]
        elif path.exists():
            files = [path]
        else:
            raise CryptoError(f"There is no file or folder {path}; check the path.")
        for file in files:
            if file.name.endswith(".CHECKSUM"):
                continue
            try:
                yield from _files_in(file)
            except CryptoError as error:
                refuse(str(error))


def _files_in(file: Path) -> Iterator[InputFile]:
    path = PurePosixPath(file.absolute().as_posix())
    with reading(str(file)):
        _verify(file)
        with file.open("rb") as stream:
            magic = stream.read(4)
        if magic == ZIP:
            with zipfile.ZipFile(file) as archive:
                inside = [info for info in archive.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
            for info in sorted(inside, key=lambda info: info.filename):
                where = str(file) if len(inside) == 1 else f"{file}: {info.filename}"
                yield InputFile(where, path.parent / info.filename, partial(_open_in_zip, file, info.filename))
        elif magic[:2] == GZIP:
            yield InputFile(str(file), path, partial(_open_gzip, file))
        else:
            yield InputFile(str(file), path, partial(_open_plain, file), file)


def _open_plain(file: Path) -> IO[bytes]:
    return file.open("rb")


def _open_gzip(file: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(file))


def _open_in_zip(file: Path, name: str) -> IO[bytes]:
    return zipfile.ZipFile(file).open(name)


def _verify(file: Path) -> None:
    """Compare a file with the SHA-256 in ``<file>.CHECKSUM``, if there is one, as Binance's archive gives it."""
    beside = file.with_name(f"{file.name}.CHECKSUM")
    if not beside.is_file():
        return
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != beside.read_text().split()[0].lower():
        raise CryptoError(f"{file} is not what its checksum {beside.name} says; get both again.")
