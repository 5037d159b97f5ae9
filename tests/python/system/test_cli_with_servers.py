"""What test_cli.py checks, where it needs servers or a whole run."""

import os
import subprocess
import sys
from pathlib import Path

from support.isolation import no_settings
from support.project import PROJECT

CRYPTO = Path(sys.prefix) / "bin" / "crypto"


def run(*arguments, program=CRYPTO, **given):
    return subprocess.run(
        [program, *arguments],
        env=os.environ | no_settings() | given,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def sentence(done):
    """Return what a failed command said, which must be one line without a trace."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]


def test_an_unreachable_postgres_is_one_sentence_without_the_password(tmp_path, spark):
    given = {"DB_ENDPOINT": "127.0.0.1", "DB_PORT": "1", "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "canary"}
    done = run("postgres", "start", CRYPTO_HOME=str(tmp_path), **given)
    assert "127.0.0.1" in sentence(done)
    assert "canary" not in done.stderr + done.stdout
