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


@pytest.mark.parametrize(
    "given",
    [
        {"DB_ENDPOINT": "postgresql://user:canary-1234@db.example.com:5432/app?sslmode=require"},
        {"DB_ENDPOINT": "postgres://user:canary/1234@db.example.com/app"},
        {"DB_ENDPOINT": "host=db.example.com user=app password=canary-1234"},
        {"DB_ENDPOINT": "jdbc:postgresql://db.example.com/app?user=app&password=canary-1234"},
        {"DB_ENDPOINT": "user:canary-1234@db.example.com"},
        {"DB_NAME": "postgresql://user:canary-1234@db.example.com/app", "DB_ENDPOINT": "db.example.com"},
        {"AWS_ENDPOINT_URL": "http://key:canary-1234@127.0.0.1:9000"},
        {"RAW_BUCKET": "s3://key:canary-1234@raw"},
        {"DATABRICKS_HOST": "https://token:canary-1234@dbc.cloud.databricks.com"},
        {"DATABRICKS_HTTP_PATH": "jdbc:databricks://dbc.example.com:443;httpPath=/sql;UID=token;PWD=canary-1234"},
    ],
    ids=str,
)
def test_an_address_with_credentials_is_refused_by_name_and_not_shown(project, given):
    with pytest.raises(CryptoError) as error:
        settings.load({"DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "p", "DB_ENDPOINT": ""} | given, project)
    said = str(error.value)
    assert next(name for name in given if "canary" in given[name]) in said
    assert "canary" not in said and "\n" not in said


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [
        ("db.example.com", "db.example.com", 5432),
        ("db.example.com.:6543", "db.example.com.", 6543),
        ("my_db-1", "my_db-1", 5432),
        ("::1", "::1", 5432),
        ("[2001:db8::1]:6543", "2001:db8::1", 6543),
        ("10.0.0.1:1", "10.0.0.1", 1),
    ],
)
def test_a_host_may_be_written_with_its_port(project, endpoint, host, port):
    found = settings.load(
        {"DB_ENDPOINT": endpoint, "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "p"}, project
    ).postgres
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize(
    "host",
    [
        "https://dbc-a1b2.cloud.databricks.com/?o=123",
        "http://dbc-a1b2.cloud.databricks.com/",
        "dbc-a1b2.cloud.databricks.com/sql/warehouses",
        "dbc-a1b2.cloud.databricks.com?o=123#x",
        " dbc-a1b2.cloud.databricks.com ",
    ],
)
def test_a_workspace_may_be_written_as_the_browser_shows_it(project, host, monkeypatch):
    found = settings.load({"DATABRICKS_HOST": host, "DATABRICKS_HTTP_PATH": "sql/1.0/warehouses/abc"}, project)
    monkeypatch.setattr(settings.os, "environ", {"DATABRICKS_HOST": host})
    found.export()
    assert settings.os.environ["DATABRICKS_HOST"] == "dbc-a1b2.cloud.databricks.com"
    assert settings.os.environ["DATABRICKS_HTTP_PATH"] == "/sql/1.0/warehouses/abc"


def test_this_machine_is_not_asked_for_through_a_proxy(project, monkeypatch):
    monkeypatch.setattr(settings.os, "environ", {"no_proxy": "localhost, .corp.example", "no_grpc_proxy": "x"})
    settings.load({}, project).export()
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        assert {"127.0.0.1", "localhost", "::1"} <= {*settings.os.environ[name].split(",")}
    assert " .corp.example" in settings.os.environ["no_proxy"] and "x" in settings.os.environ["no_grpc_proxy"]
    assert "NO_GRPC_PROXY" not in settings.os.environ
    monkeypatch.setattr(settings.os, "environ", {"no_proxy": "*"})
    settings.load({}, project).export()
    assert settings.os.environ["no_proxy"] == "*"


def test_a_byte_order_mark_is_no_part_of_the_first_name(project):
    (project / ".env").write_bytes(b"\xef\xbb\xbfRAW_BUCKET=raw\r\nAWS_REGION=eu-central-1\r\n")
    found = settings.load({}, project)
    assert (found.raw_bucket, found.aws_region) == ("raw", "eu-central-1")


@pytest.mark.parametrize(
    ("in_file", "given", "says"),
    [
        ("", {"CRYPTO_ENGINE_MEMROY": "2g"}, "write CRYPTO_ENGINE_MEMORY"),
        ("CRYPTO_HOEM=x\n", {}, "write CRYPTO_HOME"),
        ("CRYPTO_SOMETHING_ELSE=x\n", {}, "CRYPTO_SOMETHING_ELSE is not a setting"),
        ("DB_ENDPIONT=x\n", {}, "write DB_ENDPOINT"),
        ("", {"DB_PORT": "6543"}, "DB_PORT is set but DB_ENDPOINT is not"),
        ("", {"CRYPTO_ENGINE_MEMORY": "100m"}, "CRYPTO_ENGINE_MEMORY is '100m'"),
        ("", {"CRYPTO_BATCH_MEMORY": "0m"}, "CRYPTO_BATCH_MEMORY"),
        ("", {"CRYPTO_HOME": "a\nb"}, "CRYPTO_HOME"),
        ("", {"CRYPTO_HOME": "caf\udce9"}, "CRYPTO_HOME"),
    ],
    ids=str,
)
def test_what_would_be_ignored_in_silence_is_said(project, in_file, given, says):
    (project / ".env").write_text(in_file)
    with pytest.raises(CryptoError) as error:
        settings.load(given, project)
    assert says in str(error.value)


def test_names_of_other_programs_are_left_alone(project):
    (project / ".env").write_text("DJANGO_SECRET=x\nDB_POOL=5\n")
    assert settings.load({"CRYPTO_API_KEY": "x", "DB_HOST_REPLICA": "x", "DATABRICKS_BUNDLE_ENV": "dev"}, project)
