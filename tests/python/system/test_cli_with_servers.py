"""Commands that start a server or dbt before they find what is wrong: one plain sentence, without a secret."""

from pathlib import Path

from support.commands import DBT, error_sentence, run_command

CANARY = "dapi-canary-91c2"


def test_an_unreachable_postgres_is_one_sentence_without_the_password(tmp_path, spark):
    given = {"DB_ENDPOINT": "127.0.0.1", "DB_PORT": "1", "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "canary"}
    done = run_command("postgres", "start", CRYPTO_HOME=str(tmp_path), **given)
    assert "127.0.0.1" in error_sentence(done)
    assert "canary" not in done.stderr + done.stdout


def test_dbt_without_a_workspace_ends_with_the_sentence(tmp_path: Path):
    places = ["--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")]
    command = ["show", "-s", "rejection_reasons", "--target", "databricks", *places]
    done = run_command(*command, program=DBT, CRYPTO_HOME=str(tmp_path), DATABRICKS_TOKEN=CANARY)
    assert done.returncode
    assert done.stderr.splitlines()[-1].startswith("The target databricks needs DATABRICKS_HOST")
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert CANARY not in done.stdout + done.stderr and not [text for text in written if CANARY.encode() in text]
