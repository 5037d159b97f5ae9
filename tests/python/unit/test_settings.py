import pytest

from lakehouse import settings
from lakehouse.errors import CryptoError


@pytest.fixture
def project(tmp_path):
    (tmp_path / "dbt_project.yml").touch()
    return tmp_path


def test_the_environment_wins_over_dotenv_and_dotenv_over_the_config_file(project):
    (project / "team.env").write_text("export RAW_BUCKET=config\nPROCESSED_BUCKET=config\nANALYTICS_BUCKET=config\n")
    (project / ".env").write_text("CRYPTO_CONFIG=team.env\nRAW_BUCKET=dotenv\nPROCESSED_BUCKET='dotenv'\n")
    found = settings.load({"RAW_BUCKET": "environment"}, project)
    assert (found.raw_bucket, found.processed_bucket, found.analytics_bucket) == ("environment", "dotenv", "config")


def test_an_empty_variable_hides_what_the_files_say(project):
    (project / ".env").write_text("DB_ENDPOINT=db.example.com\nDB_NAME=x\nDB_USER=x\nDB_PASSWORD=x\n")
    assert settings.load({}, project).postgres is not None
    assert settings.load({"DB_ENDPOINT": ""}, project).postgres is None


def test_the_data_home_is_in_the_repository_unless_named(project):
    assert settings.load({}, project).home == project / ".lakehouse"
    assert settings.load({"CRYPTO_HOME": "data"}, project).home == project / "data"
    assert settings.load({"CRYPTO_HOME": "/tmp/x"}, project).landing_zone == "/tmp/x/landing/trades"
    assert settings.load({"RAW_BUCKET": "raw"}, project).landing_zone == "s3://raw/trades"


def test_a_password_is_not_shown(project):
    given = {"DB_ENDPOINT": "h:6543", "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "canary"}
    found = settings.load(given, project)
    assert found.postgres.password == "canary" and found.postgres.port == 6543
    assert "canary" not in repr(found)


def test_a_webhook_is_not_shown(project):
    found = settings.load({"CRYPTO_WEBHOOK_URL": "https://hooks.example.com/canary"}, project)
    assert found.webhook_url and "canary" not in repr(found)
    with pytest.raises(CryptoError) as error:
        settings.load({"CRYPTO_WEBHOOK_URL": "ftp:canary"}, project)
    assert "canary" not in str(error.value)


def test_a_remote_server_is_verified_and_a_local_one_need_not_be(project):
    given = {"DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "p"}
    remote = settings.load(given | {"DB_ENDPOINT": "db.example.com"}, project).postgres
    assert (remote.sslmode, remote.sslrootcert) == ("verify-full", "system")
    assert settings.load(given | {"DB_ENDPOINT": "localhost"}, project).postgres.sslmode == "prefer"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"DB_ENDPOINT": "h", "DB_NAME": "n", "DB_USER": "u"}, "DB_PASSWORD is not"),
        ({"DB_ENDPOINT": "h", "DB_PORT": "x"}, "DB_PORT is 'x'"),
        ({"DB_ENDPOINT": "h", "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "p", "DB_SSLMODE": "on"}, "DB_SSLMODE"),
        ({"RAW_BUCKET": "s3://raw"}, "bare name"),
        ({"CRYPTO_ENGINE_MEMORY": "lots"}, "CRYPTO_ENGINE_MEMORY"),
        ({"CRYPTO_MAX_SHRINK": "2"}, "CRYPTO_MAX_SHRINK"),
        ({"CRYPTO_HOUR_PRICE": "-1"}, "CRYPTO_HOUR_PRICE"),
        ({"CRYPTO_RUN_BUDGET": "much"}, "CRYPTO_RUN_BUDGET"),
        ({"CRYPTO_OVER_BUDGET": "panic"}, "write warn or fail"),
        ({"CRYPTO_WEBHOOK_URL": "hooks.example.com/x"}, "not a web address"),
        ({"CRYPTO_CONFIG": "missing.env"}, "missing.env"),
        ({"CRYPTO_HOME": "dbt_project.yml"}, "not a folder"),
    ],
)
def test_a_bad_setting_is_named_in_one_sentence(project, given, says):
    with pytest.raises(CryptoError) as error:
        settings.load(given, project)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_line_that_is_no_setting_is_named(project):
    (project / ".env").write_text("RAW_BUCKET\n")
    with pytest.raises(CryptoError, match="RAW_BUCKET"):
        settings.load({}, project)
