"""The project's settings, read and validated in one place.

A value comes from the environment, else from ``.env`` in the repository, else from the file that
``CRYPTO_CONFIG`` names. An empty value counts as not set. An empty environment variable overrides a
value from the files, so a test can shut out the user's settings.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.errors import CryptoError, hide

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Names of the two local engines.
SAIL, SPARK = "sail", "spark"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

# Dollars per hour of the smallest serverless SQL warehouse: 4 DBU at the list price of $0.70 each.
HOUR_PRICE = "2.80"
# Each layer of the lake, with the setting that names its bucket.
LAYERS = {
    "bronze": "RAW_BUCKET",
    "snapshots": "PROCESSED_BUCKET",
    "silver": "PROCESSED_BUCKET",
    "gold": "ANALYTICS_BUCKET",
    "sync": "ANALYTICS_BUCKET",
}

# Every setting that the project reads. Users rely on these names: do not change them.
NAMES = (
    "CRYPTO_HOME",
    "CRYPTO_CONFIG",
    "CRYPTO_ENGINE_MEMORY",
    "CRYPTO_ENGINE_IDLE_MINUTES",
    "CRYPTO_BATCH_MEMORY",
    "CRYPTO_MAX_SHRINK",
    "CRYPTO_HOUR_PRICE",
    "CRYPTO_RUN_BUDGET",
    "CRYPTO_OVER_BUDGET",
    "CRYPTO_WEBHOOK_URL",
    "CRYPTO_EXCHANGE_MIRROR",
    "RAW_BUCKET",
    "PROCESSED_BUCKET",
    "ANALYTICS_BUCKET",
    "DB_ENDPOINT",
    "DB_PORT",
    "DB_NAME",
    "DB_USER",
    "DB_PASSWORD",
    "DB_SSLMODE",
    "DB_SSLROOTCERT",
    "DB_LAKEBASE",
    "DATABRICKS_HOST",
    "DATABRICKS_WORKSPACE_URL",
    "DATABRICKS_HTTP_PATH",
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_CATALOG",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
)
# Settings of which a pasted form is put right.
CORRECTED = ("DATABRICKS_HOST", "DATABRICKS_WORKSPACE_URL", "DATABRICKS_HTTP_PATH")
# Settings whose values are never shown.
SECRETS = ("DB_PASSWORD", "DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET", "CRYPTO_WEBHOOK_URL")
# An address with a user or a password in it, or a connection string that has one.
CREDENTIALS = re.compile(
    r"://\S*@|^\s*[^\s/:@]+:\S*@|\b(password|passwd|pwd|token|secret|accesskey)\s*=", re.IGNORECASE
)
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9.])?|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%\w+)?\]?")
# Less than this is not enough to build the smallest lake.
LEAST_MEMORY = "500m"
# Programs that honour a proxy look here for what is reached directly; gRPC has names of its own.
NO_PROXY = ("no_proxy", "NO_PROXY")
NO_GRPC_PROXY = ("no_grpc_proxy", "NO_GRPC_PROXY")


@dataclass(frozen=True)
class Postgres:
    """How to connect to the user's own Postgres server; the embedded server keeps its own values.

    ``lakebase`` names the instance or endpoint of Lakebase whose tokens take the place of a password.
    """

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    sslmode: str
    sslrootcert: str | None
    lakebase: str | None = None


@dataclass(frozen=True)
class Settings:
    """Validated settings.

    ``postgres`` is None if the embedded server is used. ``hour_price`` and ``run_budget`` are in dollars;
    ``max_shrink`` is a share from 0 to 1. ``values`` holds every setting that was found, as text.
    """

    project: Path
    home: Path
    raw_bucket: str | None
    processed_bucket: str | None
    analytics_bucket: str | None
    postgres: Postgres | None
    engine: str
    engine_memory: str
    engine_idle_minutes: float
    batch_memory: int
    max_shrink: float
    hour_price: float
    run_budget: float | None
    fail_over_budget: bool
    webhook_url: str | None = field(repr=False)
    exchange_mirror: str | None
    aws_region: str | None
    aws_endpoint_url: str | None
    values: Mapping[str, str] = field(repr=False)

    @property
    def landing_zone(self) -> str:
        """The folder or ``s3://`` address whose ``*.parquet`` files are raw trades."""
        if self.raw_bucket:
            return f"s3://{self.raw_bucket}/trades"
        return str(self.home / "landing" / "trades")

    @property
    def no_trades(self) -> str:
        """What to do where all is set up and no trade is there."""
        return f"put *.parquet files into {self.landing_zone}, or run `crypto generate`, then `crypto run`."

    @property
    def target(self) -> str:
        """The dbt target that uses the engine."""
        return "local" if self.engine == SAIL else "spark"

    @property
    def engine_memory_bytes(self) -> int:
        """The engine's memory in bytes."""
        return _bytes(self.engine_memory)

    @property
    def warehouse(self) -> Path:
        """The local folder of the Delta tables that are not in a bucket: ``<schema>.db/<table>``."""
        return self.home / "warehouse"

    @property
    def lake_buckets(self) -> dict[str, str]:
        """The bucket of each layer of the local lake; empty if the lake is in the data home."""
        if not (self.raw_bucket and self.processed_bucket and self.analytics_bucket):
            return {}
        by_name = {
            "RAW_BUCKET": self.raw_bucket,
            "PROCESSED_BUCKET": self.processed_bucket,
            "ANALYTICS_BUCKET": self.analytics_bucket,
        }
        return {layer: by_name[name] for layer, name in LAYERS.items()}

    @contextmanager
    def writing_home(self) -> Iterator[None]:
        """Raise CryptoError instead of an OSError that occurs while the data home is written."""
        try:
            yield
        except OSError as error:
            raise CryptoError(
                f"The data home {self.home} can't be written ({error.strerror}); "
                "make room or set CRYPTO_HOME to another folder."
            ) from error

    def export(self) -> None:
        """Copy the values read from files into the environment, for dbt, boto3 and child processes.

        What runs on this machine is never asked for through a proxy, whatever the shell says of the network.
        """
        for name, value in self.values.items():
            os.environ.setdefault(name, value)
        os.environ["CRYPTO_HOME"] = str(self.home)
        for name in CORRECTED:
            if self.values.get(name):
                os.environ[name] = self.values[name]
        for name in (*NO_PROXY, *(name for name in NO_GRPC_PROXY if name in os.environ)):
            direct = [host for host in os.environ.get(name, "").split(",") if host.strip()]
            if "*" not in direct:
                os.environ[name] = ",".join(dict.fromkeys([*direct, *LOCAL_HOSTS]))


def project_root(start: Path | None = None) -> Path:
    """Return the nearest folder with a ``dbt_project.yml``: ``start``, by default the current folder, or one above.

    If there is none, return the checkout that this file belongs to.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "dbt_project.yml").is_file():
            return folder
    return Path(__file__).resolve().parents[1]


def read_file(path: Path) -> dict[str, str]:
    """Return the settings in a file of ``KEY=VALUE`` or ``export KEY=VALUE`` lines.

    Raise CryptoError if the file can't be read or a line has another form.
    """
    from dotenv import dotenv_values

    try:
        # Windows' editors begin a file with a byte order mark, which is no part of the first name.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CryptoError(f"The settings file {path} can't be read; check its path and permissions.") from error
    from io import StringIO

    values: dict[str, str] = {}
    for name, value in dotenv_values(stream=StringIO(text), interpolate=False).items():
        if value is None:
            raise CryptoError(f"The settings file {path} has a line without '=' at {name!r}; write KEY=VALUE.")
        values[name] = value
    return values


def load(environ: Mapping[str, str] | None = None, project: Path | None = None) -> Settings:
    """Read, merge and validate all settings; raise CryptoError if one is invalid."""
    environ = os.environ if environ is None else environ
    project = project or project_root()
    values: dict[str, str] = {}
    dotenv = project / ".env"
    dotenv_settings = read_file(dotenv) if dotenv.is_file() else {}
    config = environ.get("CRYPTO_CONFIG", dotenv_settings.get("CRYPTO_CONFIG", ""))
    if config:
        values |= read_file((project / Path(config).expanduser()).resolve())
    values |= dotenv_settings
    _refuse_misspelt(values, environ)
    values |= {name: environ[name] for name in {*values, *NAMES} if name in environ}
    _refuse_credentials(values)
    for name in CORRECTED:
        if values.get(name):
            values[name] = _as_databricks_takes_it(name, values[name].strip())

    def get(name: str) -> str | None:
        return values.get(name, "").strip() or None

    home = Path(get("CRYPTO_HOME") or ".lakehouse").expanduser()
    home = home if home.is_absolute() else project / home
    if not str(home).isprintable():
        raise CryptoError("CRYPTO_HOME has a character that can't be printed or is not UTF-8; name another folder.")
    if home.exists() and not home.is_dir():
        raise CryptoError(f"CRYPTO_HOME is {home}, which is not a folder; name a folder or remove that file.")
    buckets = {name: _bucket(name, get(name)) for name in dict.fromkeys(LAYERS.values())}
    _check_buckets(buckets)
    return Settings(
        project=project,
        home=home,
        raw_bucket=buckets["RAW_BUCKET"],
        processed_bucket=buckets["PROCESSED_BUCKET"],
        analytics_bucket=buckets["ANALYTICS_BUCKET"],
        postgres=_postgres({name: get(name) for name in NAMES if name.startswith("DB_")}, project, values),
        engine=SAIL,
        engine_memory=_memory("CRYPTO_ENGINE_MEMORY", get("CRYPTO_ENGINE_MEMORY") or "3g", LEAST_MEMORY),
        batch_memory=_bytes(_memory("CRYPTO_BATCH_MEMORY", get("CRYPTO_BATCH_MEMORY") or "256m", "1m")),
        engine_idle_minutes=_number("CRYPTO_ENGINE_IDLE_MINUTES", get("CRYPTO_ENGINE_IDLE_MINUTES") or "15", 10_000),
        max_shrink=_number("CRYPTO_MAX_SHRINK", get("CRYPTO_MAX_SHRINK") or "0.2", 1),
        hour_price=_number("CRYPTO_HOUR_PRICE", get("CRYPTO_HOUR_PRICE") or HOUR_PRICE, 10_000),
        run_budget=_number("CRYPTO_RUN_BUDGET", budget, 10_000) if (budget := get("CRYPTO_RUN_BUDGET")) else None,
        fail_over_budget=_choice("CRYPTO_OVER_BUDGET", get("CRYPTO_OVER_BUDGET") or "warn", ("warn", "fail")) == "fail",
        webhook_url=_webhook(get("CRYPTO_WEBHOOK_URL")),
        exchange_mirror=_mirror(get("CRYPTO_EXCHANGE_MIRROR")),
        aws_region=get("AWS_REGION"),
        aws_endpoint_url=get("AWS_ENDPOINT_URL"),
        values=values,
    )


def _bucket(name: str, value: str | None) -> str | None:
    if value and ("/" in value or ":" in value):
        raise CryptoError(f"{name} is {value!r}; give the bucket's bare name, without s3:// or a folder.")
    return value


def _check_buckets(buckets: Mapping[str, str | None]) -> None:
    missing = [name for name, bucket in buckets.items() if not bucket]
    if missing and (buckets["PROCESSED_BUCKET"] or buckets["ANALYTICS_BUCKET"]):
        raise CryptoError(
            f"{missing[0]} is not set, but the lake is in buckets only if all three are; "
            "set it, or RAW_BUCKET alone for the landing zone."
        )


def _refuse_misspelt(in_files: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Raise CryptoError for a name that looks like a setting and is none; other programs' names are left alone."""
    for name in sorted({*in_files, *environ} - {*NAMES}):
        prefix = name.partition("_")[0] + "_"
        if prefix not in ("CRYPTO_", "DB_", "DATABRICKS_") or (name not in in_files and prefix != "CRYPTO_"):
            continue
        if meant := difflib.get_close_matches(name, NAMES, 1, cutoff=0.85):
            raise CryptoError(f"{name} is not a setting; write {meant[0]}, or remove it.")
        if prefix == "CRYPTO_" and name in in_files:
            raise CryptoError(f"{name} is not a setting; docs/settings.md lists them all.")


def _refuse_credentials(values: Mapping[str, str]) -> None:
    """Raise CryptoError, without the value, if a setting that is shown holds a user or a password."""
    for name in SECRETS:
        hide(values.get(name, ""))
    for name in NAMES:
        if name not in SECRETS and CREDENTIALS.search(values.get(name, "")):
            parts = "DB_ENDPOINT, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD" if name.startswith("DB_") else ""
            fix = f"write its parts into {parts}" if parts else "leave them out"
            raise CryptoError(f"{name} holds a whole address with credentials, which would be shown; {fix}.")


def _as_databricks_takes_it(name: str, value: str) -> str:
    """Return a workspace's bare host as the browser shows its address, and a path with its first slash."""
    if name == "DATABRICKS_HTTP_PATH":
        return "/" + value.lstrip("/")
    host = re.sub(r"^https?://", "", value).split("/")[0].split("?")[0]
    if not HOST.fullmatch(host.partition(":")[0]):
        raise CryptoError(
            f"{name} is not the host of a workspace; write it as in dbc-a1b2c3d4-e5f6.cloud.databricks.com."
        )
    return host


def _memory(name: str, value: str, least: str) -> str:
    if not (value[:-1].isdigit() and int(value[:-1]) > 0 and value[-1] in "mgMG"):
        raise CryptoError(f"{name} is {value!r}; write a size such as 3g or 1500m.")
    if _bytes(value.lower()) < _bytes(least):
        raise CryptoError(f"{name} is {value!r}, which is too little; write {least} or more.")
    return value.lower()


def _bytes(size: str) -> int:
    return int(size[:-1]) * {"m": 2**20, "g": 2**30}[size[-1]]


def _number(name: str, value: str, maximum: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not 0 <= number <= maximum:
        raise CryptoError(f"{name} is {value!r}; write a number from 0 to {maximum:g}.")
    return number


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise CryptoError(f"{name} is {value!r}; write {' or '.join(choices)}.")
    return value


def _webhook(value: str | None) -> str | None:
    # The message leaves the address out, which is a secret: anyone who knows it can post.
    if value and not all("://" in address for address in value.split()):
        raise CryptoError(
            "CRYPTO_WEBHOOK_URL is not a web address; write one that begins with https://, or one of Apprise, "
            "such as mailto://..., and a space between two."
        )
    return value


def _mirror(value: str | None) -> str | None:
    if value and not value.startswith(("https://", "http://")):
        raise CryptoError(f"CRYPTO_EXCHANGE_MIRROR is {value!r}; write a web address that begins with https://.")
    return value.rstrip("/") if value else None


def _postgres(given: Mapping[str, str | None], project: Path, values: Mapping[str, str]) -> Postgres | None:
    endpoint = given["DB_ENDPOINT"]
    if not endpoint:
        # An empty DB_ENDPOINT asks for the embedded server; without one, the others would be ignored in silence.
        if others := [name for name, value in given.items() if value and "DB_ENDPOINT" not in values]:
            raise CryptoError(
                f"{others[0]} is set but DB_ENDPOINT is not; set it to your server, "
                "or leave it empty (DB_ENDPOINT=) for the embedded one."
            )
        return None
    host, port = endpoint, given["DB_PORT"] or "5432"
    # A cloud console shows an endpoint as host:port; accept it as it was copied.
    if endpoint.count(":") == 1 or (endpoint.startswith("[") and "]:" in endpoint):
        host, _, port = endpoint.rpartition(":")
    # Whatever else was pasted here is not shown: it may hold a password.
    if not HOST.fullmatch(host) or (host != endpoint and not port.isdigit()):
        raise CryptoError(
            "DB_ENDPOINT is not the name of a host; write host or host:port, and the rest of an address into "
            "DB_NAME, DB_USER and DB_PASSWORD."
        )
    host = host.strip("[]")
    if not (port.isdigit() and 0 < int(port) < 65536):
        raise CryptoError(f"DB_PORT is {port!r}; write a port number from 1 to 65535.")
    lakebase = given["DB_LAKEBASE"]
    for name in ("DB_NAME", "DB_USER", "DB_PASSWORD"):
        if not given[name] and not (name == "DB_PASSWORD" and lakebase):
            raise CryptoError(f"DB_ENDPOINT is set but {name} is not; set it in the environment or in .env.")
    local = host in LOCAL_HOSTS
    sslmode = given["DB_SSLMODE"] or ("prefer" if local else "verify-full")
    if sslmode not in SSL_MODES:
        raise CryptoError(f"DB_SSLMODE is {sslmode!r}; write one of {', '.join(SSL_MODES)}.")
    rootcert = given["DB_SSLROOTCERT"]
    if rootcert and rootcert != "system":
        rootcert = str(project / Path(rootcert).expanduser())
        if not Path(rootcert).is_file():
            raise CryptoError(f"DB_SSLROOTCERT names {rootcert}, which is not a file; name the server's CA file.")
    return Postgres(
        host=host,
        port=int(port),
        name=str(given["DB_NAME"]),
        user=str(given["DB_USER"]),
        password=given["DB_PASSWORD"] or "",
        sslmode=sslmode,
        sslrootcert=rootcert or ("system" if sslmode == "verify-full" else None),
        lakebase=None if given["DB_PASSWORD"] else lakebase,
    )
