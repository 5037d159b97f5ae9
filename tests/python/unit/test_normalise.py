"""Raw files of any dialect become one plain dialect, and those that can't are told apart."""

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion import normalise
from ingestion.landing_zone import Folder
from lakehouse.errors import CryptoError

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
GOOD = {
    "trade_id": pa.array(["a", "b"]),
    "symbol": pa.array(["BTC", "ETH"]),
    "price": pa.array([1.5, 2.5]),
    "volume": pa.array([0.1, None]),
    "trade_type": pa.array(["BUY", "SELL"]),
    "exchange": pa.array(["Kraken", None]),
    "timestamp": pa.array([NOON, NOON], pa.timestamp("us", "UTC")),
    "user_id": pa.array(["u", None]),
}


class Zone:
    """A landing zone in a folder, and what staging makes of its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "trades"
        self.zone = Folder(str(self.folder))
        self.staging = folder / "staging"

    def write(self, path: str = "x.parquet", *, drop: str = "", options: dict | None = None, **columns) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: column for name, column in (GOOD | columns).items() if name != drop}
        pq.write_table(pa.table(kept), target, **(options or {}))
        return target

    def stage(self) -> normalise.StagedFiles:
        batch = normalise.Batch(self.zone, 7, NOON)
        return normalise.normalise(batch, self.zone.list().files, self.staging)

    def rows(self) -> list[dict]:
        table = pq.read_table(self.staging)
        return table.sort_by([("source_file", "ascending"), ("source_row", "ascending")]).to_pylist()

    def column(self, name: str) -> list:
        staged = self.stage()
        assert not staged.set_aside
        return [row[name] for row in self.rows()]


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path)


def test_a_plain_file_is_copied_value_for_value_with_its_lineage(zone: Zone):
    target = zone.write("a/b.parquet")
    assert zone.stage().rows == {"a/b.parquet": 2}
    modified = datetime.fromtimestamp(target.stat().st_mtime_ns // 1000 / 1e6, UTC)
    lineage = {
        "source_file": "a/b.parquet",
        "file_modified_at": modified,
        "ingestion_timestamp": NOON,
        "batch_id": 7,
        "_rescued_data": None,
    }
    raw = pa.table(GOOD).to_pylist()
    assert zone.rows() == [row | lineage | {"source_row": number} for number, row in enumerate(raw)]
    assert pq.read_table(zone.staging).schema.names == list(normalise.SCHEMA.names)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None], pa.int8()), [1.0, None]),
        (pa.array([2**53 + 1, -1], pa.int64()), [2.0**53, -1.0]),
        (pa.array([2**64 - 1, 0], pa.uint64()), [2.0**64, 0.0]),
        (pa.array([0.1, np.inf], pa.float32()), [float(np.float32(0.1)), np.inf]),
        (pa.array(np.array([0.5, 2], np.float16)), [0.5, 2.0]),
        (pa.array([Decimal("0.3"), Decimal("67123.456789012345")]), [0.3, 67123.456789012345]),
        (pa.array([Decimal("1e-30"), None], pa.decimal256(60, 30)), [1e-30, None]),
        (pa.array([1.5, 2.5]).dictionary_encode(), [1.5, 2.5]),
        (pa.nulls(2), [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_any_number_type_stands_for_price_and_volume(zone: Zone, column: pa.Array, expected: list):
    zone.write(price=column, volume=column)
    assert zone.column("price") == expected
    assert [row["volume"] for row in zone.rows()] == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone_name", [None, "UTC", "America/New_York", "+05:30"])
def test_any_timestamp_is_the_same_instant_and_no_zone_is_utc(zone: Zone, unit: str, zone_name: str | None):
    zone.write(timestamp=pa.array([NOON, None], pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, zone_name)))
    assert zone.column("timestamp") == [NOON, None]


def test_times_are_cut_to_microseconds(zone: Zone):
    times = pa.array([1_714_564_800_123_456_999, 999], pa.timestamp("ns"))
    zone.write(timestamp=times)
    assert [time.microsecond for time in zone.column("timestamp")] == [123_456, 0]


def test_int96_and_spark_two_timestamps_are_read(zone: Zone):
    zone.write(options={"use_deprecated_int96_timestamps": True})
    assert zone.column("timestamp") == [NOON, NOON]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_time_no_table_can_hold_is_null_and_rescued(zone: Zone, unit: str):
    # Parquet keeps seconds as milliseconds.
    number = 2**62 // (1000 if unit == "s" else 1)
    zone.write(timestamp=pa.array([number, -number], pa.int64()).cast(pa.timestamp(unit)))
    assert zone.column("timestamp") == [None, None]
    rescued = [json.loads(row["_rescued_data"]) for row in zone.rows()]
    assert {int(found["timestamp"]) in (number, number * 1000) for found in rescued[:1]} == {True}


def test_the_first_and_last_microsecond_of_the_calendar_are_kept(zone: Zone):
    times = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    zone.write(timestamp=pa.array(times, pa.timestamp("us", "UTC")))
    assert zone.column("timestamp") == times


@pytest.mark.parametrize(
    "kind",
    [
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.binary(),
        pa.large_binary(),
    ],
    ids=str,
)
def test_text_may_be_stored_in_any_way(zone: Zone, kind: pa.DataType):
    values = pa.array(["é", " x\t"]).cast(pa.binary() if "binary" in str(kind) else pa.string())
    zone.write(**{name: values.cast(kind) for name in ("trade_id", "symbol", "trade_type", "exchange", "user_id")})
    assert zone.column("symbol") == ["é", " x\t"]
    assert [row["user_id"] for row in zone.rows()] == ["é", " x\t"]


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.int16()], ids=str)
def test_ids_may_be_whole_numbers(zone: Zone, kind: pa.DataType):
    top = 2 ** (kind.bit_width - (kind != pa.uint64())) - 1
    zone.write(trade_id=pa.array([top, None], kind), user_id=pa.array([0, 1], kind))
    assert zone.column("trade_id") == [str(top), None]


def test_a_missing_user_id_is_null(zone: Zone):
    zone.write(drop="user_id")
    assert zone.column("user_id") == [None, None]


@pytest.mark.parametrize("name", [name for name in GOOD if name != "user_id"])
def test_every_other_column_is_required_by_its_exact_name(zone: Zone, name: str):
    zone.write(drop=name, **{name.upper(): GOOD[name]})
    staged = zone.stage()
    assert staged.rows == {}
    why = staged.set_aside["x.parquet"]
    assert (why.reason, why.lasting) == ("missing_column", True)
    assert name in why.detail


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("price", pa.array(["1.5", "2"])),
        ("price", pa.array([True, False])),
        ("volume", pa.array([NOON, NOON])),
        ("timestamp", pa.array(["2024-05-01", "2024-05-01"])),
        ("timestamp", pa.array([1, 2])),
        ("timestamp", pa.array([NOON.date(), NOON.date()])),
        ("symbol", pa.array([1, 2])),
        ("trade_id", pa.array([1.5, 2.5])),
        ("user_id", pa.array([[1], [2]])),
        ("exchange", pa.array([{"a": 1}, {"a": 2}])),
    ],
)
def test_an_impossible_type_is_named(zone: Zone, name: str, column: pa.Array):
    zone.write(**{name: column})
    why = zone.stage().set_aside["x.parquet"]
    assert why.reason == "impossible_type"
    assert f"{name} is {str(column.type).partition('<')[0]}" in why.detail


def test_a_doubled_column_is_impossible(zone: Zone):
    zone.folder.mkdir()
    table = pa.Table.from_arrays([*GOOD.values(), GOOD["price"]], [*GOOD, "price"])
    pq.write_table(table, zone.folder / "x.parquet")
    why = zone.stage().set_aside["x.parquet"]
    assert (why.reason, "price" in why.detail) == ("impossible_type", True)


def test_columns_that_differ_by_case_are_extra(zone: Zone):
    zone.write(Price=pa.array([7, 8]))
    assert zone.column("price") == [1.5, 2.5]
    assert [json.loads(row["_rescued_data"]) for row in zone.rows()] == [{"Price": 7}, {"Price": 8}]


def test_extra_columns_become_json_of_what_is_not_null(zone: Zone):
    zone.write(
        fee=pa.array([0.25, None]),
        note=pa.array(['ü "x"', None]),
        seen=pa.array([NOON, None]),
        route=pa.array([{"a": [1, None]}, None]),
        blob=pa.array([b"\x00\xff", None]),
        amount=pa.array([Decimal("1.50"), None]),
        empty=pa.nulls(2),
    )
    first, second = zone.column("_rescued_data")
    assert second is None
    assert json.loads(first) == {
        "fee": 0.25,
        "note": 'ü "x"',
        "seen": "2024-05-01 12:00:00.000000Z",
        "route": {"a": [1, None]},
        "blob": "AP8=",
        "amount": "1.50",
    }


def test_rescued_data_is_json_even_where_json_has_no_such_number(zone: Zone):
    zone.write(fee=pa.array([float("nan"), float("inf")]), more=pa.array([[float("nan")], [1.0]]))

    def refuse(text: str) -> None:
        raise AssertionError(text)

    found = [json.loads(text, parse_constant=refuse) for text in zone.column("_rescued_data")]
    assert [row["fee"] for row in found] == ["nan", "inf"]


def test_extra_columns_of_any_type_land(zone: Zone):
    extremes = pa.array([2**62, -(2**62)], pa.int64())
    zone.write(
        far=extremes.cast(pa.timestamp("ms")),
        nested=pa.StructArray.from_arrays([extremes.cast(pa.timestamp("us"))], ["t"]),
        pairs=pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        time=pa.array([1, 2], pa.time64("ns")),
        half=pa.array(np.array([0.5, 2], np.float16)),
        span=pa.array([1, 2], pa.duration("ns")),
    )
    assert all(json.loads(text) for text in zone.column("_rescued_data"))


def test_rows_keep_their_order_and_number_across_row_groups(zone: Zone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(normalise, "BATCH_ROWS", 7)
    monkeypatch.setattr(normalise, "GROUP_ROWS", 20)
    count = 100
    ids = pa.array([f"t{number:03d}" for number in range(count)])
    columns = {name: pa.concat_arrays([column] * (count // 2)) for name, column in GOOD.items()}
    for path in ("x.parquet", "y.parquet"):
        zone.write(path, options={"row_group_size": 33}, **(columns | {"trade_id": ids}))
    assert zone.stage().rows == {"x.parquet": count, "y.parquet": count}
    assert [(row["trade_id"], row["source_row"]) for row in zone.rows()] == [
        (f"t{number:03d}", number) for number in range(count)
    ] * 2


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_any_codec_is_read(zone: Zone, codec: str):
    zone.write(options={"compression": codec})
    assert zone.column("price") == [1.5, 2.5]


def test_zero_rows_are_a_good_file(zone: Zone):
    zone.write(**{name: column[:0] for name, column in GOOD.items()})
    assert zone.stage() == normalise.StagedFiles(rows={"x.parquet": 0})


def test_broken_files_are_told_apart_and_the_rest_is_copied(zone: Zone):
    good = zone.write("good.parquet").read_bytes()
    (zone.folder / "empty.parquet").write_bytes(b"")
    (zone.folder / "cut.parquet").write_bytes(good[:-20])
    (zone.folder / "text.parquet").write_bytes(b"trade_id,symbol\n")
    # A whole footer over broken pages.
    (zone.folder / "pages.parquet").write_bytes(good[:4] + b"\xff" * 300 + good[304:])
    staged = zone.stage()
    assert staged.rows == {"good.parquet": 2}
    assert {path: why.reason for path, why in staged.set_aside.items()} == {
        "empty.parquet": "empty",
        "cut.parquet": "unreadable",
        "text.parquet": "unreadable",
        "pages.parquet": "unreadable",
    }
    assert all(why.lasting and why.detail for why in staged.set_aside.values())
    assert [row["source_file"] for row in zone.rows()] == ["good.parquet"] * 2


@settings(deadline=None)
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_unreadable_or_empty(tmp_path_factory: pytest.TempPathFactory, cut: float):
    zone = Zone(tmp_path_factory.mktemp("cut"))
    target = zone.write()
    target.write_bytes(target.read_bytes()[: int(cut * target.stat().st_size)])
    assert zone.stage().set_aside["x.parquet"].reason in ("unreadable", "empty")


@settings(deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), damage=st.binary(min_size=1, max_size=40))
def test_a_damaged_file_lands_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, place: float, damage: bytes
):
    zone = Zone(tmp_path_factory.mktemp("damaged"))
    target = zone.write(options={"write_page_checksum": True})
    content = target.read_bytes()
    at = int(place * len(content))
    target.write_bytes(content[:at] + damage + content[at + len(damage) :])
    zone.write("good.parquet")
    staged = zone.stage()
    assert staged.rows["good.parquet"] == 2
    assert ("x.parquet" in staged.rows) != ("x.parquet" in staged.set_aside)


def test_a_file_that_breaks_late_leaves_no_row(zone: Zone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(normalise, "BATCH_ROWS", 100)
    monkeypatch.setattr(normalise, "GROUP_ROWS", 200)
    monkeypatch.setattr(normalise, "WORKERS", 1)
    columns = {name: pa.concat_arrays([column] * 500) for name, column in GOOD.items()}
    for path in ("a.parquet", "b.parquet", "c.parquet"):
        zone.write(path, options={"row_group_size": 100, "write_page_checksum": True}, **columns)
    content = bytearray((zone.folder / "b.parquet").read_bytes())
    page = pq.ParquetFile(zone.folder / "b.parquet").metadata.row_group(9).column(2).data_page_offset
    content[page + 40 : page + 60] = b"\xff" * 20
    (zone.folder / "b.parquet").write_bytes(content)
    staged = zone.stage()
    assert staged.rows == {"a.parquet": 1000, "c.parquet": 1000}
    assert staged.set_aside["b.parquet"].reason == "unreadable"
    assert staged.spoiled == ["b.parquet"]
    kept = [row["source_row"] for row in zone.rows() if row["source_file"] not in staged.spoiled]
    assert kept == [*range(1000)] * 2


def test_a_file_that_vanishes_or_changes_after_the_listing_waits(zone: Zone):
    for path in ("gone.parquet", "grown.parquet", "kept.parquet", "broken.parquet"):
        zone.write(path)
    listed = zone.zone.list().files
    (zone.folder / "gone.parquet").unlink()
    zone.write("grown.parquet", note=pa.array([1, 2]))
    (zone.folder / "broken.parquet").write_bytes(b"a writer is still at it")
    staged = normalise.normalise(normalise.Batch(zone.zone, 7, NOON), listed, zone.staging)
    assert staged == normalise.StagedFiles(rows={"kept.parquet": 2})


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_tried_again(zone: Zone):
    zone.write().chmod(0)
    why = zone.stage().set_aside["x.parquet"]
    assert (why.reason, why.lasting) == ("unreadable", False)


def test_a_folder_that_cannot_be_written_is_one_sentence(zone: Zone):
    zone.write()
    zone.staging.write_text("in the way")
    with pytest.raises(CryptoError, match="free space"):
        zone.stage()


def test_only_parquet_files_without_a_temporary_name_are_listed(zone: Zone):
    listed = [
        "x.parquet",
        "symbol=ETH/day 1.parquet",
        "spark.parquet/part-0.snappy.parquet",
        "a:b[1]{c}?*'\"%20+é.parquet",
    ]
    ignored = [
        "_x.parquet",
        ".x.parquet",
        "_temporary/x.parquet",
        "a/.b/x.parquet",
        "x.csv",
        "parquet",
        "x.PARQUET",
    ]
    for path in listed + ignored:
        (zone.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (zone.folder / path).write_bytes(b"")
    assert [file.path for file in zone.zone.list().files] == sorted(listed)


def int96(folder: Path, days: list[int | None], nanoseconds: int = 0) -> None:
    """Write a file whose times are INT96 of these days since 1970: as pyarrow refuses such times, in its bytes."""
    marks = [datetime(2000, 1, 1 + number, tzinfo=UTC) for number in range(len(days))]
    times = pa.array([mark if day is not None else None for mark, day in zip(marks, days, strict=True)])
    good = {name: pa.concat_arrays([column[:1]] * len(days)) for name, column in GOOD.items()}
    folder.mkdir(exist_ok=True)
    options = {"use_deprecated_int96_timestamps": True, "use_dictionary": False, "compression": "none"}
    pq.write_table(pa.table(good | {"timestamp": times}), folder / "x.parquet", **options)
    content = (folder / "x.parquet").read_bytes()
    for mark, day in zip(marks, days, strict=True):
        if day is not None:
            julian = 2_440_588 + (mark - datetime(1970, 1, 1, tzinfo=UTC)).days
            old = (0).to_bytes(8, "little") + julian.to_bytes(4, "little")
            assert content.count(old) == 1
            content = content.replace(old, nanoseconds.to_bytes(8, "little") + (2_440_588 + day).to_bytes(4, "little"))
    (folder / "x.parquet").write_bytes(content)


def test_int96_beyond_the_year_2262_stays_what_it_is(zone: Zone):
    years = [2025, 2263, 2600, 2609, 9999, 1, 1677]
    days = [(datetime(year, 6, 1) - datetime(1970, 1, 1)).days for year in years]
    int96(zone.folder, [*days, None], nanoseconds=86_399_999_999_999)
    expected = [datetime(year, 6, 1, 23, 59, 59, 999_999, tzinfo=UTC) for year in years]
    assert zone.column("timestamp") == [*expected, None]


def test_int96_that_no_table_can_hold_is_null_and_rescued(zone: Zone):
    # 2^64 microseconds are 213,503,982 days: a time so far from one of 2025 would wrap around to it.
    days = [2_932_897, 213_503_982 + 20_150, 2**31, -719_163]
    int96(zone.folder, days)
    assert zone.column("timestamp") == [None] * 4
    rescued = [json.loads(row["_rescued_data"])["timestamp"] for row in zone.rows()]
    assert [int(text) for text in rescued] == [day * 86_400_000 for day in days]


@pytest.mark.parametrize("zone_name", ["Eastern Standard Time", "tzutc()", "GMT-5:30 (custom)", ""])
def test_a_zone_that_only_its_writer_knows_costs_nothing(zone: Zone, zone_name: str):
    times = pa.array([0, None], pa.int64()).cast(pa.timestamp("us", zone_name))
    nested = pa.StructArray.from_arrays([times, pa.array([[1], None])], ["at", "list"])
    zone.write(
        server_time=times, meta=nested, seen=pa.array([[{"at": 0}], None], pa.list_(pa.struct({"at": times.type})))
    )
    first, _ = zone.column("_rescued_data")
    found = json.loads(first)
    assert found["server_time"].startswith("1970-01-01 00:00:00")
    assert found["meta"]["at"].startswith("1970-01-01 00:00:00") and found["meta"]["list"] == [1]
    assert found["seen"][0]["at"].startswith("1970-01-01 00:00:00")


def test_types_that_a_writer_notes_beside_parquets_own_are_not_needed(zone: Zone):
    polars = pytest.importorskip("polars", reason="polars is a development requirement")
    table = polars.from_arrow(pa.table(GOOD)).with_columns(polars.Series("big", [1, 2**100], dtype=polars.Int128))
    zone.folder.mkdir()
    table.write_parquet(zone.folder / "x.parquet")
    with pytest.raises(pa.ArrowNotImplementedError):
        pq.ParquetFile(zone.folder / "x.parquet")
    assert zone.column("price") == [1.5, 2.5]
    assert [*json.loads(zone.rows()[0]["_rescued_data"])] == ["big"]


def test_an_extra_column_with_broken_pages_costs_only_itself(zone: Zone):
    note = pa.array(["first" * 20, "second" * 20])
    target = zone.write(
        options={"write_page_checksum": True, "use_dictionary": False, "compression": "none"}, note=note
    )
    content = target.read_bytes()
    target.write_bytes(content.replace(b"first" * 20, b"other" * 20))
    assert zone.column("price") == [1.5, 2.5]
    assert all("not readable" in json.loads(row["_rescued_data"])["note"] for row in zone.rows())


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_text_that_is_not_utf8_is_readable_and_its_bytes_are_kept(zone: Zone, kind: pa.DataType):
    raw = pa.array([b"caf\xe9", "naïve ✓".encode()])
    if pa.types.is_dictionary(kind):
        odd = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), raw.view(pa.string()))
    else:
        odd = (
            raw.view(pa.string()).cast(pa.binary()).cast(pa.large_binary()).view(kind)
            if "large" in str(kind)
            else (raw.view(kind))
        )
    zone.write(**dict.fromkeys(("trade_id", "symbol", "exchange", "user_id", "note"), odd))
    assert zone.column("symbol") == [r"caf\xe9", "naïve ✓"]
    first, second = (json.loads(row["_rescued_data"]) for row in zone.rows())
    assert {name: first[name] for name in ("trade_id", "symbol", "user_id")} == dict.fromkeys(
        ("trade_id", "symbol", "user_id"), "Y2Fm6Q=="
    )
    assert [*second] == ["note"]


@pytest.mark.parametrize("name", ["user_id", "symbol"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_a_small_file_that_unpacks_to_much_text_is_set_aside(zone: Zone, name: str, use_dictionary: bool):
    rows = 2_000
    columns = {key: pa.concat_arrays([column[:1]] * rows) for key, column in GOOD.items()}
    columns[name] = pa.array(["x" * 200_000] * rows)
    target = zone.write(options={"compression": "zstd", "use_dictionary": use_dictionary}, **columns)
    zone.write("good.parquet")
    assert target.stat().st_size < 200_000
    staged = zone.stage()
    assert staged.rows == {"good.parquet": 2}
    why = staged.set_aside["x.parquet"]
    assert (why.reason, "CRYPTO_BATCH_MEMORY" in why.detail) == ("too_large", True)


def test_an_extra_column_that_unpacks_to_much_text_costs_only_itself(zone: Zone):
    rows = 2_000
    columns = {key: pa.concat_arrays([column[:1]] * rows) for key, column in GOOD.items()}
    long = pa.array([{"lines": ["x" * 100_000] * 2}] * rows)
    zone.write(options={"compression": "zstd"}, note=long, **columns)
    assert len(zone.column("price")) == rows
    assert "CRYPTO_BATCH_MEMORY" in json.loads(zone.rows()[0]["_rescued_data"])["note"]


def test_one_long_text_among_many_rows_is_no_bomb(zone: Zone):
    rows = 40_000
    columns = {key: pa.concat_arrays([column[:1]] * rows) for key, column in GOOD.items()}
    columns["user_id"] = pa.array(["y" * 1_000_000] + ["u"] * (rows - 1))
    zone.write(**columns)
    assert len(zone.column("user_id")) == rows


def test_a_column_that_differs_by_case_is_mentioned(zone: Zone):
    zone.write(drop="price", Price=GOOD["price"])
    assert "'Price'" in zone.stage().set_aside["x.parquet"].detail
