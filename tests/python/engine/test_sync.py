"""What a sync promises when nothing breaks: exact values, the difference only, refusals with a reason."""

import threading
from dataclasses import replace
from datetime import date
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest
from support.databases import FakeSource, Lake, count, daily_metrics, lakes_in_memory, login, rows, trading_indicators

from lakehouse import postgres, sync
from lakehouse.errors import CryptoError
from lakehouse.sync import Table, transaction
from lakehouse.sync import source as source_module

METRICS, INDICATORS = "crypto.daily_metrics", "crypto.trading_indicators"


def changes(published) -> tuple[int, int, int, int]:
    return (
        published.rows_inserted,
        published.rows_updated,
        published.rows_deleted,
        published.rows_total,
    )


def execute(database, *statements: str) -> None:
    with postgres.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def replaced(table: pa.Table, name: str, values: list) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array(values, table.schema.field(name).type))


def test_every_value_arrives_exactly(lake):
    lake.publish()
    for target, source in lake.sources.items():
        names = ", ".join(source.data.column_names)
        found = rows(lake.database, f"select {names} from crypto.{target} order by symbol, metric_date")
        assert [dict(zip(source.data.column_names, row, strict=True)) for row in found] == source.data.to_pylist()


def test_only_the_difference_is_written(lake):
    assert changes(lake.publish()["daily_metrics"]) == (20, 0, 0, 20)
    before = dict(rows(lake.database, f"select (symbol, metric_date)::text, xmin::text from {METRICS}"))
    data = daily_metrics(11)
    data = replaced(data, "vwap", [99.5, *data["vwap"].to_pylist()[1:]]).slice(0, 21)
    lake.write("daily_metrics", data)
    done = lake.publish()
    assert changes(done["trading_indicators"]) == (0, 0, 0, 20)
    published = done["daily_metrics"]
    assert published.rows_inserted == 1
    after = dict(rows(lake.database, f"select (symbol, metric_date)::text, xmin::text from {METRICS}"))
    written = sum(before.get(key) != value for key, value in after.items())
    assert written == published.rows_inserted + published.rows_updated < 21


def test_rows_gone_from_gold_are_deleted(lake):
    lake.publish()
    lake.write("trading_indicators", trading_indicators(9))
    assert changes(lake.publish()["trading_indicators"]) == (0, 0, 2, 18)
    assert count(lake.database, INDICATORS) == 18


def test_the_same_version_is_not_read(lake):
    lake.publish()
    lake.publish()
    assert [source.reads for source in lake.sources.values()] == [1, 1]
    assert count(lake.database, "crypto.sync_runs") == 4


def test_the_same_values_in_a_new_version_write_only_the_runs_row(lake):
    lake.publish()
    query = f"select max(xmin::text::bigint), pg_relation_size('{METRICS}') from {METRICS}"
    before = rows(lake.database, query)
    lake.write("daily_metrics", daily_metrics().take(list(reversed(range(20)))))
    assert changes(lake.publish()["daily_metrics"]) == (0, 0, 0, 20)
    assert rows(lake.database, query) == before


def test_a_table_that_was_made_anew_is_read_again(lake):
    lake.publish()
    source = lake.sources["daily_metrics"]
    source.id, source.data = "another table", daily_metrics(mark=5)
    assert lake.publish()["daily_metrics"].rows_updated == 20


def test_what_somebody_changed_in_postgres_is_mended(lake):
    lake.publish()
    execute(
        lake.database,
        f"update {METRICS} set trade_count = 77",
        f"delete from {INDICATORS} where symbol = 'ETH'",
    )
    done = lake.publish(force=True)
    assert changes(done["daily_metrics"]) == (0, 20, 0, 20)
    assert changes(done["trading_indicators"]) == (10, 0, 0, 20)


def test_the_audit_row_tells_what_happened(lake):
    done = lake.publish()
    columns = "run_id, invocation_id, source_id, source_version, rows_inserted, rows_total, checksum"
    for target, published in done.items():
        (row,) = rows(lake.database, f"select {columns} from crypto.sync_runs where table_name = '{target}'")
        assert row == (published.run_id, "test", "a table", 1, 20, 20, published.checksum)
        assert rows(lake.database, f"select * from crypto.fingerprint('crypto.{target}')") == [
            (20, Decimal(published.checksum))
        ]


def test_the_checksum_sees_every_bit(lake):
    checksum = lake.publish()["trading_indicators"].checksum
    execute(lake.database, f"update {INDICATORS} set sma_7 = sma_7 * (1 + 2e-16) where metric_date = '2026-01-09'")
    ((_, found),) = rows(lake.database, f"select * from crypto.fingerprint('{INDICATORS}')")
    assert found != checksum


def test_an_empty_lake_is_published_as_empty_tables(lake):
    for source in lake.sources.values():
        source.data = source.data.slice(0, 0)
    assert [changes(done) for done in lake.publish().values()] == [(0, 0, 0, 0)] * 2


def test_a_plan_counts_and_shows_and_writes_nothing(lake):
    lake.publish()
    data = daily_metrics(11)
    data = replaced(data, "trade_count", [7, *data["trade_count"].to_pylist()[1:]]).slice(0, 20)
    lake.write("daily_metrics", data)
    before = rows(lake.database, f"select * from {METRICS} order by 1, 2")
    plan = lake.publish(plan=True)["daily_metrics"]
    assert rows(lake.database, f"select * from {METRICS} order by 1, 2") == before
    assert count(lake.database, "crypto.sync_runs") == 2
    assert "~ BTC 2026-01-01: trade_count 0 -> 7" in plan.examples
    assert "+ BTC 2026-01-11" in plan.examples
    assert "- ETH 2026-01-10" in plan.examples
    assert changes(lake.publish()["daily_metrics"]) == changes(plan)


def test_a_shrink_is_refused_unless_forced(lake):
    lake.publish()
    lake.write("daily_metrics", daily_metrics(7))
    with pytest.raises(CryptoError, match=r"has 14 rows but crypto.daily_metrics 20, a shrink of more than 20%"):
        lake.publish()
    assert count(lake.database, METRICS) == 20
    assert lake.publish(plan=True)["daily_metrics"].examples[0].startswith("! gold.daily_metrics has 14 rows")
    assert changes(lake.publish(force=True)["daily_metrics"]) == (0, 0, 6, 14)


def test_a_shrink_at_the_limit_is_let_through(lake):
    lake.publish()
    lake.write("daily_metrics", daily_metrics(8))
    assert changes(lake.publish()["daily_metrics"]) == (0, 0, 4, 16)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (["BTC"] * 20, r"repeated keys \(symbol, metric_date\), such as BTC 2026-01-"),
        (
            [None] + ["BTC"] * 9 + ["ETH"] * 10,
            r"nulls in its key \(symbol, metric_date\), such as null 2026-01-01",
        ),
    ],
)
def test_bad_keys_are_refused_with_examples(lake, key, sentence):
    lake.write("daily_metrics", replaced(daily_metrics(), "symbol", key))
    with pytest.raises(CryptoError, match=sentence):
        lake.publish()
    assert count(lake.database, METRICS) == count(lake.database, INDICATORS) == 0


def test_an_unknown_symbol_is_refused_and_nothing_is_published(lake):
    lake.write("trading_indicators", trading_indicators(symbols=("BTC", "NEW")))
    with pytest.raises(CryptoError, match=r"Postgres refuses a row .*\(symbol\)=\(NEW\).*; correct the data"):
        lake.publish()
    assert count(lake.database, METRICS) == 0


def test_a_column_that_gold_has_added_is_added(lake):
    lake.publish()
    lake.write("daily_metrics", daily_metrics().append_column("spread", pa.array([0.5] * 20)))
    assert lake.publish(plan=True)["daily_metrics"].examples[0] == "+ column spread double precision"
    assert changes(lake.publish()["daily_metrics"]) == (0, 20, 0, 20)
    assert rows(lake.database, f"select distinct spread from {METRICS}") == [(0.5,)]


def test_a_column_that_gold_has_lost_is_dropped_when_asked_unless_a_view_shows_it(lake):
    lake.write("daily_metrics", daily_metrics().append_column("spread", pa.array([0.5] * 20)))
    lake.publish()
    lake.write("daily_metrics", daily_metrics())
    with pytest.raises(CryptoError, match=r"Column 'spread' .* is missing .*`crypto sync --drop-columns`"):
        lake.publish()
    assert lake.publish(plan=True, drop_columns=True)["daily_metrics"].examples == ["- column spread"]
    execute(lake.database, f"create view crypto.spreads as select spread from {METRICS}")
    with pytest.raises(CryptoError, match=r"a view shows a column to drop .*view spreads"):
        lake.publish(drop_columns=True)
    execute(lake.database, "drop view crypto.spreads")
    assert changes(lake.publish(drop_columns=True)["daily_metrics"]) == (0, 0, 0, 20)
    assert changes(lake.publish()["daily_metrics"]) == (0, 0, 0, 20)
    lake.write("daily_metrics", daily_metrics().drop_columns("metric_date"))
    with pytest.raises(CryptoError, match=r"Column 'metric_date' .* is missing"):
        lake.publish(drop_columns=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda data: data.drop_columns("vwap"),
            "Column 'vwap' of crypto.daily_metrics is missing in gold.daily_metrics",
        ),
        (
            lambda data: data.set_column(11, "vwap", pa.array([1] * 20, pa.int64())),
            "Column 'vwap' is bigint in gold.daily_metrics but double precision in crypto.daily_metrics",
        ),
        (
            lambda data: data.set_column(3, "open", data["open"].cast(pa.decimal128(28, 10))),
            r"Column 'open' is decimal\(28,10\) in gold.daily_metrics but numeric\(18,8\)",
        ),
        (
            lambda data: data.append_column("all", pa.array([[1]] * 20)),
            "Column 'all' of gold.daily_metrics is .*, which can't be published",
        ),
    ],
)
def test_other_drift_is_refused_by_name(lake, change, sentence):
    lake.write("daily_metrics", change(daily_metrics()))
    with pytest.raises(CryptoError, match=sentence):
        lake.publish()


def test_views_indexes_grants_and_comments_survive_syncs_with_a_new_column(lake):
    lake.publish()
    execute(
        lake.database,
        f"create view crypto.latest as select symbol, max(metric_date) as day from {METRICS} group by symbol",
        f"create index mine on {METRICS} (close)",
        f"grant select on {METRICS} to crypto_reader",
        f"comment on table {METRICS} is 'ours'",
    )
    query = f"""
        select oid::bigint, relacl::text, obj_description(oid), (select count(*) from crypto.latest),
            (select array_agg(indexname order by indexname) from pg_indexes where tablename = 'daily_metrics')
        from pg_class where oid = '{METRICS}'::regclass
    """
    before = rows(lake.database, query)
    for number in range(10):
        data = daily_metrics(mark=number)
        if number >= 5:
            data = data.append_column("extra", pa.array([number] * 20, pa.int32()))
        lake.write("daily_metrics", data)
        lake.publish()
    assert rows(lake.database, query) == before


def test_a_write_that_a_trigger_changes_is_undone(lake):
    execute(
        lake.database,
        "create function crypto.meddle() returns trigger language plpgsql as"
        " $$ begin new.trade_count = 1; return new; end $$",
        f"create trigger meddle before insert on {METRICS} for each row execute function crypto.meddle()",
    )
    with pytest.raises(CryptoError, match=r"crypto.daily_metrics would have 20 rows with checksum \d+ but"):
        lake.publish()
    assert count(lake.database, METRICS) == count(lake.database, INDICATORS) == 0


NOTES = Table("gold.notes", "notes", ("coin",))
COINS = Table("gold.coins", "coins", ("coin", "day"))


def declare(lake, table: Table, data: pa.Table) -> None:
    lake.sources[table.target] = FakeSource(table, data)


def coins(symbol: str = "BTC") -> pa.Table:
    price = pa.array([Decimal("1.50")], pa.decimal128(18, 2))
    return pa.table({"day": pa.array([date(2026, 1, 1)]), "symbol": [symbol], "coin": ["A"], "price": price})


def test_another_table_is_published_by_declaring_it(lake):
    """Key, foreign key and rights come from the declaration; no migration is needed."""
    declare(lake, COINS, coins())
    plan = lake.publish(tables=[COINS], plan=True)["coins"]
    assert (changes(plan), plan.examples) == ((1, 0, 0, 1), ["+ A 2026-01-01"])
    assert rows(lake.database, "select to_regclass('crypto.coins')") == [(None,)]
    assert changes(lake.publish(tables=[COINS])["coins"]) == (1, 0, 0, 1)
    query = (
        "select conname::text, pg_get_constraintdef(oid) from pg_constraint where conrelid = 'crypto.coins'::regclass"
    )
    assert dict(rows(lake.database, f"{query} and contype in ('p', 'f')")) == {
        "coins_pkey": "PRIMARY KEY (coin, day)",
        "coins_symbol_known": "FOREIGN KEY (symbol) REFERENCES symbols(symbol)",
    }
    assert rows(lake.database, "select tableowner, obj_description('crypto.coins'::regclass) from pg_tables"
        " where tablename = 'coins'") == [("crypto_owner", "Published gold.coins.")]  # fmt: skip
    assert rows(login(lake.database, "crypto_reader"), "select symbol from crypto.coins") == [("BTC",)]
    lake.database = login(lake.database, "crypto_sync")
    lake.write("coins", coins("ETH"))
    assert changes(lake.publish(tables=[COINS])["coins"]) == (0, 1, 0, 1)


def test_a_published_table_that_was_dropped_comes_back_whole(lake):
    declare(lake, COINS, coins())
    lake.publish(tables=[COINS])
    execute(lake.database, "drop table crypto.coins")
    assert changes(lake.publish(tables=[COINS])["coins"]) == (1, 0, 0, 1)


def test_a_table_that_the_sync_role_may_not_create_is_named(lake):
    declare(lake, COINS, coins())
    lake.database = login(lake.database, "crypto_sync")
    with pytest.raises(
        CryptoError, match=r"no table crypto.coins and user 'user_\w+' lacks the privilege to create it; sync once"
    ):
        lake.publish(tables=[COINS])


def test_a_declared_column_that_cannot_be_published_is_named(lake):
    declare(lake, COINS, coins().append_column("list", pa.array([[1]])))
    with pytest.raises(CryptoError, match=r"Column 'list' of gold.coins is .*, which can't be published"):
        lake.publish(tables=[COINS])
    assert rows(lake.database, "select to_regclass('crypto.coins')") == [(None,)]


def test_a_declared_key_that_gold_has_not_is_named(lake):
    table = replace(COINS, key=("coin", "hour"))
    declare(lake, table, coins())
    with pytest.raises(CryptoError, match=r"Column 'hour' of the key of crypto.coins is missing in gold.coins"):
        lake.publish(tables=[table])


def test_tables_are_written_in_the_order_of_foreign_keys(lake):
    execute(
        lake.database,
        "create table crypto.coins (coin text primary key)",
        "create table crypto.notes (coin text primary key references crypto.coins, note text)",
    )
    tables = [NOTES, replace(COINS, key=("coin",))]
    declare(lake, tables[0], pa.table({"coin": ["A", "B"], "note": ["", None]}))
    declare(lake, tables[1], pa.table({"coin": ["A", "B"]}))
    done = lake.publish(tables=tables)
    assert [changes(published) for published in done.values()] == [(2, 0, 0, 2)] * 2
    lake.write("notes", pa.table({"coin": ["A"], "note": ["x"]}))
    lake.write("coins", pa.table({"coin": ["A"]}))
    assert lake.publish(tables=tables, force=True)["coins"].rows_deleted == 1
    assert rows(lake.database, "select * from crypto.notes") == [("A", "x")]


def test_a_column_dropped_in_postgres_is_added_again_with_its_values(lake):
    lake.publish()
    execute(lake.database, f"alter table {METRICS} drop column vwap")
    assert changes(lake.publish()["daily_metrics"]) == (0, 20, 0, 20)
    assert rows(lake.database, f"select count(vwap) from {METRICS}") == [(20,)]
    lake.write("daily_metrics", daily_metrics(mark=1))
    assert changes(lake.publish()["daily_metrics"]) == (0, 20, 0, 20)


def test_a_plan_before_the_first_sync_counts_everything_and_creates_nothing(database):
    with lakes_in_memory():
        plan = Lake(database).publish(plan=True)
    assert [changes(published) for published in plan.values()] == [(20, 0, 0, 20)] * 2
    assert plan["daily_metrics"].examples == ["+ BTC 2026-01-01", "+ BTC 2026-01-02", "+ BTC 2026-01-03"]
    query = "select count(*) from pg_namespace where nspname in ('crypto', 'reading')"
    assert rows(database, query) == [(0,)]


def test_a_plan_waits_for_nobody_and_nobody_for_it(lake):
    lake.publish()
    lake.write_both(mark=1)
    with postgres.connect(lake.database) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [transaction.LOCK])
        other.execute(f"update {METRICS} set trade_count = 5")
        plan = lake.publish(plan=True, lock_seconds=0.2)
    assert [published.rows_updated for published in plan.values()] == [20, 20]


def test_the_log_goes_by_the_order_of_syncs_whatever_a_clock_says(lake):
    lake.publish()
    execute(lake.database, "update crypto.sync_runs set finished_at = now() + interval '1 day'")
    lake.write_both(mark=1)
    newest = lake.publish()["daily_metrics"]
    query = "select run_id from crypto.sync_runs order by finished_at desc limit 1"
    assert rows(lake.database, query) == [(newest.run_id,)]
    source = lake.sources["daily_metrics"]
    source.data, source.version = daily_metrics(), 1
    assert lake.publish()["daily_metrics"].rows_updated == 20


def test_the_models_refs_are_what_is_declared(lake, settings):
    """dbt finds refs in the text only; ``crypto sync`` asks for the same tables by folder and name."""
    tables = sync.published_tables(settings.project)
    assert [table.relation for table in tables] == ["gold.daily_metrics", "gold.trading_indicators"]
    assert rows(
        lake.database,
        "select array_agg(attname order by attname) from pg_index inner join pg_attribute"
        " on attrelid = indrelid and attnum = any (indkey) where indisprimary and"
        " indrelid in ('crypto.daily_metrics'::regclass, 'crypto.trading_indicators'::regclass) group by indrelid",
    ) == [([*sorted(table.key)],) for table in tables]


def test_the_sync_role_publishes_and_can_do_nothing_else(lake):
    lake.database = login(lake.database, "crypto_sync")
    lake.publish()
    lake.write("daily_metrics", daily_metrics().append_column("spread", pa.array([0.5] * 20)))
    assert lake.publish()["daily_metrics"].rows_updated == 20
    for statement in (
        f"drop table {METRICS}",
        f"alter table {METRICS} add column mine text",
        f"truncate {METRICS}",
        "delete from crypto.sync_runs",
        "update crypto.symbols set name = 'x'",
        "insert into crypto.withdrawn_files values ('x', 'y')",
        "create table crypto.mine (x text)",
        "create schema mine",
        f"alter table {METRICS} owner to current_user",
        f"create trigger mine before insert on {METRICS} execute function suppress_redundant_updates_trigger()",
        "update crypto.sync_runs set checksum = 0",
        "update crypto.exchanges set name = 'x'",
        "insert into crypto.schema_migrations (name) values ('x')",
        "select crypto.create_table('mine', '{x}', '{text}', '{x}', '')",
        "select crypto.add_column('sync_runs', 'mine', 'text')",
        "select crypto.add_column('daily_metrics', 'mine', 'text default pg_sleep(1)')",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
            execute(lake.database, statement)


def test_a_reader_reads_and_can_do_nothing_else(lake):
    lake.publish()
    lake.database = login(lake.database, "crypto_reader")
    for table in (METRICS, INDICATORS, "crypto.sync_runs", "crypto.symbols"):
        assert count(lake.database, table) > 0
        for statement in (f"delete from {table}", f"insert into {table} select * from {table}", f"drop table {table}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                execute(lake.database, statement)
    for statement in (
        f"update {METRICS} set trade_count = 1",
        "create table crypto.mine (x text)",
        "create view reading.mine as select 1",
        "select crypto.add_column('daily_metrics', 'mine', 'text')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(lake.database, statement)
    lake.write_both(mark=1)
    with pytest.raises(
        CryptoError, match=r"Nothing was published, the user lacks a privilege \(.*\); grant it crypto_sync"
    ):
        lake.publish()


def test_two_syncs_at_once_both_end_well(lake):
    failed = []

    def work() -> None:
        try:
            lake.publish()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert count(lake.database, "crypto.sync_runs") == 4
    assert rows(lake.database, "select sum(rows_inserted) from crypto.sync_runs") == [(40,)]


def test_a_sync_that_waits_too_long_says_so(lake):
    with postgres.connect(lake.database) as connection:
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [transaction.LOCK])
        with pytest.raises(CryptoError, match="another program holds a lock"):
            lake.publish(lock_seconds=0.2)
    lake.publish()


def test_a_delta_table_is_published_at_one_version(engine_settings, spark, schema, lake):
    columns = "symbol string, metric_date date, close decimal(18,8), rate double, seen timestamp, note string"
    spark.sql(f"create table {schema}.coins ({columns}) using delta")
    values = """
        ('BTC', date'2026-01-01', 0.00000001, double('NaN'), timestamp'2026-01-01 00:00:00.123456', 'a\\tb\\n"é\\\\N'),
        ('ETH', date'1969-12-31', -9999999999.99999999, -0.0d, timestamp'1969-12-31 23:59:59.999999', ''),
        ('SOL', date'2026-01-01', 0, 1d / 3, null, null)
    """
    spark.sql(f"insert into {schema}.coins values {values}")
    execute(
        lake.database,
        "create table crypto.coins (symbol text, metric_date date, close numeric(18, 8), rate double precision,"
        " seen timestamptz, note text, primary key (symbol, metric_date))",
    )
    table = Table(f"{schema}.coins", "coins", ("symbol", "metric_date"))

    def publish(**options):
        (done,) = sync.sync_tables(None, replace(lake.database, home=engine_settings.home), "test", [table], **options)
        return done

    done = publish()
    assert (changes(done), done.source_version) == ((3, 0, 0, 3), 1)
    query = "select close, rate::text, extract(epoch from seen), note from crypto.coins order by symbol"
    assert rows(lake.database, query) == [
        (Decimal("0.00000001"), "NaN", Decimal("1767225600.123456"), 'a\tb\n"é\\N'),
        (Decimal("-9999999999.99999999"), "0", Decimal("-0.000001"), ""),
        (Decimal("0E-8"), "0.3333333333333333", None, None),
    ]
    assert changes(publish()) == (0, 0, 0, 3)
    spark.sql(f"delete from {schema}.coins where symbol = 'SOL'")
    assert changes(publish(force=True, plan=True)) == (0, 0, 1, 2)
    assert sync.runs(spark, lake.database).count() == 2


def test_large_tables_are_read_in_pieces(engine_settings, spark, schema, monkeypatch):
    monkeypatch.setattr(source_module, "CHUNK_ROWS", 400)
    spark.sql(f"create table {schema}.coins using delta as select id as symbol from range(1000)")
    source = source_module.newest(None, engine_settings, Table(f"{schema}.coins", "coins", ("symbol",)))
    chunks = list(source.chunks(["symbol"]))
    assert max(chunk.num_rows for chunk in chunks) <= 400
    assert sorted(row for chunk in chunks for row in chunk["symbol"].to_pylist()) == list(range(1000))


def test_a_table_that_is_not_there_is_one_sentence(schema, lake):
    table = Table(f"{schema}.nothing", "nothing", ("symbol",))
    with pytest.raises(CryptoError, match=r"nothing can't be read to be published; run 'dbt build' first\."):
        sync.sync_tables(None, lake.database, "test", [table])
