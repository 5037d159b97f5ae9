"""What to look at after a run that went through: files set aside or changed, and trades rejected in unusual numbers.

A run looks at the rows whose outcome has changed since the run before it, and again at the batches that were noticed
then. So it costs what the new data costs, and repeats a notice until its cause is gone.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.settings import Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    from ingestion.ledger import IngestResult

# Reasons that are usual for any share of the rows, and those that are below half of a file.
USUAL = ("duplicate", "withdrawn")
USUAL_IN_PART = (*USUAL, "missing_volume")
UNUSUAL_IN_BATCH, UNUSUAL_IN_FILE = 0.01, 0.5
SHOWN = 3
LEDGER = ["source_file", "row_count", "batch_id"]
# The reason of an invalid time that is only later than the date of its file.
TOO_LATE = "invalid_timestamp (later than the date of the file)"
WHAT_HELPS = {
    "unknown_symbol": "If they are right, add them with `crypto symbols add {names}`.",
    "unknown_exchange": "If they are right, add them with `crypto exchanges add`: {names}.",
    "conflicting_duplicate": "Rows with the same ids and other values count; withdraw the file that is wrong.",
    TOO_LATE: "{file} is dated {modified}; land a copy under another name with the true date, and withdraw this one.",
}


def of_files(landed: IngestResult) -> Iterator[str]:
    """Yield a sentence for the files that a run has set aside, and one for those that changed after they landed."""
    if landed.set_aside:
        yield f"Set aside, so that none of their rows counts: {_list(list(landed.set_aside))}; the reasons are above."
    if landed.changed:
        yield f"Changed since they landed: {_list(landed.changed)}; withdraw them and land them under other names."


def of_rejections(settings: Settings, before: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Return a sentence for each reason that is unusually frequent, and what the next run has to know.

    ``before`` is what the run before returned: the last ``revision`` that it saw, and the ``batches`` that it noticed.
    """
    screened = lake.table(settings, "silver.screened_trades")
    if screened is None:
        return [], {}
    revision = max(screened.get_add_actions(flatten=True)["max.revision"].to_pylist(), default=0)
    # A full refresh numbers revisions anew.
    seen = before["revision"] if before.get("revision", revision + 1) <= revision else 0
    noticed = ", ".join(map(str, before.get("batches", ()))) or "null"
    found = lake.query(
        settings,
        "silver.screened_trades",
        f"""
        with rejected as (
            select
                batch_id, source_file, file_modified_at,
                case
                    when reason = 'invalid_timestamp' and raw_timestamp > file_modified_at then '{TOO_LATE}' else reason
                end as reason,
                case reason when 'unknown_symbol' then raw_symbol when 'unknown_exchange' then raw_exchange end as name
            from data
            where reason is not null and (revision > {seen} or batch_id in ({noticed}))
        )

        select
            batch_id, source_file, reason, count(*) as rows, min(file_modified_at) as modified,
            array_agg(distinct name) as names
        from rejected
        group by batch_id, source_file, reason
        order by batch_id, source_file
        """,
    )
    rejected = found.to_pylist() if found else []
    ledger = lake.read(settings, "bronze.landed_files", LEDGER) if rejected else None
    held, of_batch, rejected_of_batch = {}, Counter[int](), Counter[tuple[int, str]]()
    for row in ledger.to_pylist() if ledger else ():
        held[row["source_file"]] = row["row_count"]
        of_batch[row["batch_id"]] += row["row_count"]
    for row in rejected:
        rejected_of_batch[row["batch_id"], row["reason"]] += row["rows"]
    unusual: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rejected:
        batch, reason, rows = row["batch_id"], row["reason"], held.get(row["source_file"], row["rows"])
        in_batch = rejected_of_batch[batch, reason] > UNUSUAL_IN_BATCH * of_batch[batch]
        in_file = row["rows"] > UNUSUAL_IN_FILE * rows
        if (in_batch and reason not in USUAL_IN_PART) or (in_file and reason not in USUAL):
            unusual[reason].append(row | {"held": rows})
    batches = sorted({row["batch_id"] for files in unusual.values() for row in files})
    return [_sentence(settings, *item) for item in sorted(unusual.items())], {"revision": revision, "batches": batches}


def _sentence(settings: Settings, reason: str, files: Sequence[Mapping[str, Any]]) -> str:
    rejected, held = (sum(file[name] for file in files) for name in ("rows", "held"))
    names = sorted({str(name).strip() for file in files for name in file["names"] if name is not None})
    helps = WHAT_HELPS.get(reason) or f"{_description(settings, reason)} They are in silver.rejected_trades."
    facts = {"file": files[0]["source_file"], "modified": str(files[0]["modified"])[:19], "names": " ".join(names[:20])}
    where = _list([file["source_file"] for file in files])
    return f"{reason}: {rejected:,} of {held:,} rows of {where} are rejected. {helps.format(**facts)}"


def _description(settings: Settings, reason: str) -> str:
    with (settings.project / "seeds" / "rejection_reasons.csv").open() as file:
        return next((row["description"] for row in csv.DictReader(file) if row["reason"] == reason), "")


def _list(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more
