"""Files as people have them: plain, compressed, or in a zip archive, with a checksum beside them or not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from lakehouse.errors import CryptoError, first_line

HEAD_BYTES = 65_536
ZIP = b"PK\x03\x04"
# How files are opened that are compressed, by their first bytes.
COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"(\xb5/\xfd": lambda file: pa.CompressedInputStream(pa.OSFile(str(file)), "zstd"),
    b"": lambda file: file.open("rb"),
}
ENDINGS = re.compile(r"(\.(csv|txt|json|jsonl|ndjson|feather|arrow|parquet|gz|zip|zst|bz2|xz))+$", re.IGNORECASE)
# What reading a broken or encrypted file raises, whatever wrote it, and what a value of another kind in it raises.
BROKEN = (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, RuntimeError, ValueError)
VALUE = re.compile(r"conversion error to .*?: (.*)|(.* is no time .*)|(Failed to parse .*)|(.* not in range.*)")


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
        return ENDINGS.sub("", self.path.name)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what a broken file raises into one sentence."""
    try:
        yield
    except (*BROKEN, OSError) as error:
        what = first_line(error)
        if found := VALUE.search(what):
            value = next(part for part in found.groups() if part)
            raise CryptoError(f"{where} has a value of another kind than its column ({value}); correct it.") from error
        # Broken content is an OSError of no number to some of its readers.
        if isinstance(error, OSError) and error.errno:
            raise CryptoError(f"{where} can't be read ({what}); check its path and permissions.") from error
        raise CryptoError(
            f"{where} is broken, cut off or not as its kind should be ({what}); get it again or correct it."
        ) from error


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
            magic = stream.read(6)
        if magic.startswith(ZIP):
            with zipfile.ZipFile(file) as archive:
                inside = [info for info in archive.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
            for info in sorted(inside, key=lambda info: info.filename):
                where = str(file) if len(inside) == 1 else f"{file}: {info.filename}"
                yield InputFile(where, path.parent / info.filename, partial(_open_in_zip, file, info.filename))
            return
        for start, opener in COMPRESSED.items():
            if magic.startswith(start):
                yield InputFile(str(file), path, partial(opener, file), None if start else file)
                return


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
