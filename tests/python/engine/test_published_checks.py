"""The dbt tests that run in Postgres on the sync's log pass after a sync and find what is wrong."""

from datetime import date

import pyarrow as pa
import pytest
from support.databases import TABLES, FakeSource, rows
from support.generic_tests import rendered

from lakehouse import postgres
from lakehouse.sync import Table

LOG = "crypto.sync_runs"


def found(lake, test: str, **arguments) -> list[str]:
    return sorted(row[0] for row in rows(lake.database, rendered(test, LOG, **arguments)))


def execute(lake, statement: str) -> None:
    with postgres.connect(lake.database) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ("select 1", []),
        ("update crypto.daily_metrics set vwap = vwap + 1e-9 where symbol = 'BTC'", ["daily_metrics"]),
        ("delete from crypto.trading_indicators where symbol = 'ETH'", ["trading_indicators"]),
        ("insert into crypto.coins values ('DOGE', date '2026-01-01')", ["coins"]),
        ("delete from crypto.sync_runs", ["nothing was ever published"]),
    ],
)
def test_parity_covers_every_published_table(lake, edit, named):
    coins = Table("gold.coins", "coins", ("coin",))
    lake.sources["coins"] = FakeSource(coins, pa.table({"coin": ["BTC"], "day": [date(2026, 1, 1)]}))
    lake.publish(tables=[*TABLES, coins])
    lake.write_both(mark=1)
    lake.publish(tables=[*TABLES, coins])
    execute(lake, edit)
    assert found(lake, "published_as_recorded") == named


def test_a_table_that_was_not_synced_lately_is_found(lake):
    lake.publish()
    assert found(lake, "synced_lately", hours=36) == []
    execute(lake, f"update {LOG} set finished_at = now() - interval '37 hours' where table_name = 'daily_metrics'")
    assert found(lake, "synced_lately", hours=36) == ["daily_metrics"]
    # Same version: nothing is read, and yet the table is known to be up to date.
    lake.publish()
    assert found(lake, "synced_lately", hours=36) == []
