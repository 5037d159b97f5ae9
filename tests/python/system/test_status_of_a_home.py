"""`crypto status` loads little, in a home with a run behind it."""

import subprocess
import sys

import pytest
from support.isolation import no_settings
from support.project import PROJECT

LOADED = """
import atexit, sys
from commands.cli import main
atexit.register(lambda: print("loaded", *{name.partition(".")[0] for name in sys.modules}))
main(sys.argv[1:])
"""


HEAVY = {"pyspark", "dbt", "pandas", "sqlglot", "boto3"}


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [(["--help"], HEAVY | {"numpy", "pyarrow", "psycopg", "psutil", "rich"}), (["status"], HEAVY)],
)
def test_it_loads_little(first_run, engine_settings, arguments, heavy):
    """Loading is most of what these take; benchmarks/everyday.py has the seconds."""
    home = {"CRYPTO_HOME": str(engine_settings.home)}
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=no_settings() | home, check=True, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "click" in loaded and loaded & heavy == set()
