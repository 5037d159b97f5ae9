"""What a landing zone in a folder lists: one odd name, folder or link costs only itself."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ingestion import landing_zone
from ingestion.landing_zone import Folder
from lakehouse import ports
from lakehouse.errors import CryptoError

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        (Path(name) / "good.parquet").write_bytes(b"x")
        yield Path(name)


def test_a_lost_connection_to_the_engine_is_told_in_its_own_words():
    with grpc.insecure_channel(f"127.0.0.1:{ports.free_port()}") as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/")(b"", timeout=5)
    assert landing_zone.first_line(raised.value).startswith("failed to connect to all addresses")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"donn\xe9es.parquet", r"donn\xe9es.parquet"),
        ("каф\u00e9.parquet".encode(), "кафé.parquet"),
        ("cafe\u0301.parquet".encode(), "cafe\u0301.parquet"),
        (b"\xff\xfe\x80/part.parquet", r"\xff\xfe\x80/part.parquet"),
        (b"${date}\n\t'\"\\.parquet", "${date}\n\t'\"\\.parquet"),
        (b"x" * 247 + b".parquet", "x" * 247 + ".parquet"),
    ],
)
def test_a_file_of_any_name_is_listed_and_opened(folder: Path, name: bytes, path: str):
    place = os.path.join(os.fsencode(folder), name)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as file:
        file.write(b"odd")
    zone = Folder(str(folder))
    (found,) = [file for file in zone.list().files if file.path != "good.parquet"]
    assert found.path == path
    assert zone.holds(found)
    with zone.open(found) as source:
        assert source.read() == b"odd"


def test_of_two_names_that_read_the_same_one_is_left_out(folder: Path):
    for name in (b"\xe9.parquet", rb"\xe9.parquet"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(b"x")
    listing = Folder(str(folder)).list()
    assert [file.path for file in listing.files] == [r"\xe9.parquet", "good.parquet"]
    assert list(listing.skipped) == [r"\xe9.parquet"]


def test_a_folder_that_may_not_be_entered_is_named_and_the_rest_is_listed(folder: Path):
    (folder / "lost+found").mkdir(mode=0o700)
    (folder / "day=1").mkdir()
    (folder / "day=1" / "x.parquet").write_bytes(b"x")
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    else:
        (folder / "lost+found").chmod(0)
    try:
        listing = Folder(str(folder)).list()
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
    assert [file.path for file in listing.files] == ["day=1/x.parquet", "good.parquet"]
    assert list(listing.skipped) == ["lost+found"]


def test_links_are_followed_and_loops_are_not(folder: Path):
    (folder / "day=1").mkdir()
    (folder / "day=1" / "x.parquet").write_bytes(b"x")
    (folder / "same").symlink_to("day=1")
    (folder / "day=1" / "up").symlink_to("..")
    (folder / "self").symlink_to("self")
    (folder / "gone.parquet").symlink_to("nowhere")
    listing = Folder(str(folder)).list()
    assert [file.path for file in listing.files] == ["day=1/x.parquet", "good.parquet", "same/x.parquet"]
    assert {*listing.skipped} == {"day=1/up", "same/up", "self", "gone.parquet"}


def test_what_is_no_file_and_what_has_an_impossible_time_is_left_out(folder: Path):
    os.mkfifo(folder / "pipe.parquet")
    (folder / "late.parquet").write_bytes(b"x")
    os.utime(folder / "late.parquet", (2**38, 2**38))
    listing = Folder(str(folder)).list()
    assert [file.path for file in listing.files] == ["good.parquet"] or os.stat(
        folder / "late.parquet"
    ).st_mtime < 2**38
    assert "pipe.parquet" in listing.skipped


def test_files_with_another_ending_are_counted(folder: Path):
    for name in ("a.csv", "b.csv", "README", ".hidden.csv"):
        (folder / name).write_bytes(b"x")
    assert Folder(str(folder)).list().others == {".csv": 2, "": 1}


def test_no_folder_is_empty_and_a_file_in_its_place_is_one_sentence(folder: Path):
    assert Folder(str(folder / "missing")).list().files == []
    with pytest.raises(CryptoError, match=r"good\.parquet can't be listed"):
        Folder(str(folder / "good.parquet")).list()
