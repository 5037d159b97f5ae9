"""What a run says to look at: rejections that are unusual for a file, until their cause is gone."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from commands.run import notices

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def screen(settings, files, revision, mode="append"):
    """Write rows of screened trades, given as the reasons of each file's rows."""
    rows = [(name, reason) for name, reasons in files.items() for reason in reasons]
    modified = {"old.parquet": datetime(1970, 1, 1, tzinfo=UTC)}
    screened = {
        "source_file": [name for name, _ in rows],
        "file_modified_at": [modified.get(name, NOON + timedelta(hours=1)) for name, _ in rows],
        "reason": pa.array([reason for _, reason in rows], pa.string()),
        "raw_symbol": pa.array(["DOGE" if reason == "unknown_symbol" else None for _, reason in rows], pa.string()),
        "raw_exchange": pa.array([None] * len(rows), pa.string()),
        "raw_timestamp": pa.array([NOON] * len(rows), pa.timestamp("us", "UTC")),
        "batch_id": [revision] * len(rows),
        "revision": [revision] * len(rows),
    }
    write_deltalake(settings.warehouse / "silver.db" / "screened_trades", pa.table(screened), mode=mode)
    counts = [len(reasons) for reasons in files.values()]
    ledger = pa.table({"source_file": list(files), "row_count": counts, "batch_id": [revision] * len(files)})
    write_deltalake(settings.warehouse / "bronze.db" / "landed_files", ledger, mode=mode)


@pytest.mark.parametrize(
    ("name", "reasons", "said"),
    [
        ("a.parquet", ["unknown_symbol"] + [None] * 98, "crypto symbols add DOGE"),
        ("a.parquet", ["unknown_symbol"] + [None] * 99, None),
        ("a.parquet", ["missing_volume"] * 9 + [None] * 9, None),
        ("a.parquet", ["missing_volume"] * 9, "9 of 9 rows of a.parquet are rejected. The volume is null."),
        ("a.parquet", ["duplicate"] * 9, None),
        ("a.parquet", ["withdrawn"] * 9, None),
        ("it's.parquet", ["conflicting_duplicate"] * 2 + [None] * 9, "withdraw the file that is wrong"),
        ("old.parquet", ["invalid_timestamp"] * 9, "old.parquet is dated 1970-01-01 00:00:00"),
        ("a.parquet", ["invalid_timestamp"] * 9, "The time is null, before 2009-01-03"),
    ],
)
def test_an_unusual_share_is_noticed_until_its_cause_is_gone(settings, name, reasons, said):
    assert notices.of_rejections(settings, {}) == ([], {})
    screen(settings, {"early.parquet": [None] * 1000}, 1)
    _, seen = notices.of_rejections(settings, {})
    screen(settings, {name: reasons}, 2)
    for _ in range(2):
        sentences, seen = notices.of_rejections(settings, seen)
        assert seen == {"revision": 2, "batches": [2] if said else []}
        assert (said in sentences[0] and len(sentences) == 1) if said else sentences == []
    screen(settings, {name: [None] * len(reasons)}, 1, mode="overwrite")
    assert notices.of_rejections(settings, seen) == ([], {"revision": 1, "batches": []})


def test_files_of_one_reason_are_one_notice_and_rows_seen_before_are_not_read(settings):
    files = {f"{number}.parquet": ["invalid_price"] for number in range(9)}
    screen(settings, files | {"good.parquet": [None] * 1000, "odd.parquet": ["invalid_volume"] + [None] * 99}, 3)
    (sentence,), seen = notices.of_rejections(settings, {})
    assert "9 of 9 rows of 0.parquet, 1.parquet, 2.parquet and 6 more are rejected" in sentence
    nothing = {"revision": 3, "batches": []}
    assert seen == nothing | {"batches": [3]} and notices.of_rejections(settings, nothing) == ([], nothing)
