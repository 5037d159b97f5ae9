"""After market data was imported: what the reference lacks, what is replaced, and ids that two markets share."""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import jinja2
import pytest
from click.testing import CliRunner
from support import market_files
from support.isolation import no_settings
from support.market_files import TRADES
from support.project import PROJECT

from commands import cli
from ingestion.reference import withdraw
from lakehouse import postgres
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.postgres import reference
from market_data import import_files
from market_data.trade_files import ImportOptions

SINGULAR = PROJECT / "tests" / "singular" / "assert_no_trade_id_spans_two_markets.sql"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[settings_module.Settings]:
    home = tmp_path_factory.mktemp("market data") / "home"
    settings = settings_module.load(no_settings() | {"CRYPTO_HOME": str(home)}, PROJECT)
    yield settings
    postgres.stop(settings)


def crypto(settings: settings_module.Settings, line: str) -> str:
    """Run a command in this process; return what it said."""
    done = CliRunner(env={"CRYPTO_HOME": str(settings.home)}).invoke(cli.main, shlex.split(line)[1:])
    assert done.exit_code == 0, done.output
    return done.output


def imported(settings: settings_module.Settings, file: Path, **options) -> list[str]:
    said: list[str] = []
    assert import_files.run(settings, [file], ImportOptions(**options), said.append, dry_run=False) == 0
    return said


def test_the_commands_that_are_offered_add_what_is_lacking(server, tmp_path):
    file = market_files.three_columns(tmp_path / "bitstampEUR.csv", TRADES)
    said = imported(server, file, side="tick-rule")
    offered = [line.strip() for line in said if line.startswith("  crypto")]
    assert [line.split(" ")[1] for line in offered] == ["exchanges", "symbols"]
    for line in offered:
        assert "is added" in crypto(server, line) and "is there" in crypto(server, line)
    assert reference.lacking(server, {"BTC/EUR", "btc"}, {"bitstamp"}) == reference.Lacking([], [], set())
    assert not [line for line in imported(server, file, side="tick-rule") if line.startswith("  crypto")]
    with postgres.connect(server) as connection:
        row = connection.execute("select name, country from crypto.exchanges where exchange = 'Bitstamp'").fetchone()
    assert row == ("Bitstamp Ltd.", "Luxembourg")


def test_a_replaced_file_is_named_until_it_is_withdrawn(server, tmp_path):
    imported(server, market_files.binance(tmp_path / "ETHUSDT-trades-2024-03.zip", TRADES))
    corrected = [TRADES[0] | {"volume": "0.021"}, *TRADES[1:]]
    file = market_files.binance(tmp_path / "ETHUSDT-trades-2024-03.zip", corrected)
    (command,) = [line.strip() for line in imported(server, file) if "crypto withdraw" in line]
    old = "Binance/ETHUSDT/2024-03-01.parquet"
    assert shlex.split(command) == [
        *("crypto", "withdraw", old, "--why"),
        "replaced by Binance/ETHUSDT/2024-03-01.2.parquet",
    ]
    assert f"{old} is withdrawn" in crypto(server, command)
    corrected[0] = TRADES[0] | {"volume": "0.022"}
    said = imported(server, market_files.binance(file, corrected))
    assert ["2024-03-01.2.parquet" in line for line in said if "crypto withdraw" in line] == [True]


def test_many_replaced_files_are_withdrawn_by_one_command(server, tmp_path):
    trades = [TRADES[0] | {"id": day, "time": TRADES[0]["time"] + timedelta(days=day)} for day in range(9)]
    imported(server, market_files.binance(tmp_path / "SOLUSDT-trades-2024-03.zip", trades))
    corrected = [trade | {"price": "61837.61"} for trade in trades]
    said = imported(server, market_files.binance(tmp_path / "SOLUSDT-trades-2024-03.zip", corrected))
    *_, command = [line.strip() for line in said if "crypto withdraw" in line]
    program, listed = command.split(" < ")
    assert "and 4 more. This withdraws all 9:" in said and program.startswith("xargs crypto withdraw")
    files = Path(shlex.split(listed)[0]).read_text().split()
    crypto(server, shlex.join([*shlex.split(program)[1:], *files]))
    assert reference.lacking(server, [], []).withdrawn >= set(files) and len(files) == 9


def test_a_file_that_is_nowhere_is_not_withdrawn(server):
    with pytest.raises(CryptoError, match=r"nowhere.parquet has not landed"):
        withdraw(server, ["nowhere.parquet"], "x")


def test_postgres_that_is_away_keeps_nothing_from_being_imported(tmp_path):
    given = {"DB_ENDPOINT": "127.0.0.1:1", "DB_NAME": "a", "DB_USER": "b", "DB_PASSWORD": "c"}
    away = settings_module.load(no_settings() | given | {"CRYPTO_HOME": str(tmp_path / "home")}, PROJECT)
    said = imported(away, market_files.binance(tmp_path / "ETHUSDT-trades-2024-03.zip", TRADES))
    assert any("4 trades of 2 days written" in line for line in said)
    assert any("could not be found out" in line and "does not answer" in line for line in said)


CASES = {
    "one market": ("('a', 'BTC', 'Kraken', null)", "('a', 'BTC', 'Kraken', 'conflicting_duplicate')", 0),
    "two symbols": ("('a', 'BTC', 'Kraken', null)", "('a', 'ETH', 'Kraken', 'conflicting_duplicate')", 1),
    "two exchanges": ("('a', 'BTC', 'Kraken', null)", "('a', 'BTC', 'Gemini', 'conflicting_duplicate')", 1),
    "another reason": ("('a', 'BTC', 'Kraken', null)", "('a', 'ETH', 'Kraken', 'invalid_price')", 0),
    "another id": ("('a', 'BTC', 'Kraken', null)", "('b', 'ETH', 'Kraken', 'conflicting_duplicate')", 0),
}


@pytest.mark.parametrize("case", CASES)
def test_an_id_that_two_markets_share_is_found(spark, case):
    *rows, wanted = CASES[case]
    screened = (
        "(select *, 'f' as source_file, 1 as source_row from values "
        f"{', '.join(rows)} as given (trade_id, symbol, exchange, reason))"
    )
    trades = f"(select trade_id, symbol, exchange from {screened} where reason is null)"
    text = re.sub(r"{{ config\(.*?\) }}", "", SINGULAR.read_text())
    query = jinja2.Template(text).render(ref=lambda name: {"screened_trades": screened, "trades": trades}[name])
    assert len(spark.sql(query).collect()) == wanted
