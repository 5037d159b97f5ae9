"""The commands that list and change the reference data in Postgres."""

import json

import pytest
from click.testing import CliRunner
from support.project import PROJECT

from commands import cli


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The data home of this module's own."""
    return tmp_path_factory.mktemp("reference commands")


@pytest.fixture(scope="module")
def crypto(home):
    """Run a command in the data home; return what it printed."""

    def run(*command: str, fails: bool = False) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(PROJECT)
            patch.setenv("CRYPTO_HOME", str(home))
            done = CliRunner().invoke(cli.main, command)
        assert (done.exit_code != 0) == fails, done.output
        return done.output

    yield run
    run("postgres", "stop")


def test_symbols_are_listed_added_and_marked_as_no_longer_traded(crypto):
    assert "is added" in crypto("symbols", "add", "BTC/EUR", "--name", "Bitcoin in euros")
    crypto("symbols", "deactivate", "btc/eur", "MATIC")
    found = {row["symbol"]: row for row in json.loads(crypto("symbols", "list", "--format", "json"))}
    assert found["BTC/EUR"]["name"] == "Bitcoin in euros"
    assert {name for name, row in found.items() if not row["is_active"]} == {"BTC/EUR", "MATIC"}
    crypto("symbols", "deactivate", "MATIC", "--undo")
    assert "There is no symbol NONE" in crypto("symbols", "deactivate", "ETH", "NONE", fails=True)
    assert crypto("symbols", "list", "--format", "csv").count("False") == 1


@pytest.mark.parametrize("name", ["A B", " BTC", ""])
@pytest.mark.parametrize("kind", ["symbols", "exchanges"])
def test_a_name_that_no_trade_could_match_is_refused(crypto, kind, name):
    assert "white space" in crypto(kind, "add", name, fails=True)


def test_exchanges_are_listed(crypto):
    crypto("exchanges", "add", "Bitstamp", "--country", "Luxembourg")
    assert "Bitstamp,Bitstamp,Luxembourg,unknown" in crypto("exchanges", "list", "--format", "csv")


def test_a_withdrawal_is_listed_and_undone(crypto, home):
    crypto("generate", "--trades", "500", "--days", "1")
    (file,) = (path.name for path in (home / "landing/trades").glob("*_0001.parquet"))
    crypto("withdraw", file, "--why", "prices in EUR")
    assert file in crypto("withdraw", "--list") and "prices in EUR" in crypto("withdraw", "--list")
    assert "counts again" in crypto("withdraw", "--undo", file)
    assert file not in crypto("withdraw", "--list")
    assert "is not withdrawn" in crypto("withdraw", "--undo", file, fails=True)
    assert "--why, or --undo" in crypto("withdraw", file, fails=True)
