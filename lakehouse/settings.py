"""The project's settings, read and validated in one place.

A value comes from the environment, else from ``.env`` in the repository, else from the file that
``CRYPTO_CONFIG`` names. An empty value counts as not set. An empty environment variable overrides a
value from the files, so a test can shut out the user's settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.errors import CryptoError

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
    "CRYPTO_MAX_SHRINK",
    "CRYPTO_HOUR_PRICE",
    "CRYPTO_RUN_BUDGET",
    "CRYPTO_OVER_BUDGET",
    "CRYPTO_WEBHOOK_URL",
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
    max_shrink: float
    hour_price: float
    run_budget: float | None
    fail_over_budget: bool
    webhook_url: str | None = field(repr=False)
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
    def target(self) -> str:
        """The dbt target that uses the engine."""
        return "local" if self.engine == SAIL else "spark"

    @property
    def engine_memory_bytes(self) -> int:
        """The engine's memory in bytes."""
        return int(self.engine_memory[:-1]) * {"m": 2**20, "g": 2**30}[self.engine_memory[-1]]

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
        """Copy the values read from files into the environment, for dbt, boto3 and child processes."""
        for name, value in self.values.items():
            os.environ.setdefault(name, value)
        os.environ["CRYPTO_HOME"] = str(self.home)


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
        text = path.read_text(encoding="utf-8")
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
    values |= {name: environ[name] for name in {*values, *NAMES} if name in environ}

    def get(name: str) -> str | None:
        return values.get(name, "").strip() or None

    home = Path(get("CRYPTO_HOME") or ".lakehouse").expanduser()
    home = home if home.is_absolute() else project / home
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
        postgres=_postgres({name: get(name) for name in NAMES if name.startswith("DB_")}, project),
        engine=SAIL,
        engine_memory=_memory(get("CRYPTO_ENGINE_MEMORY") or "3g"),
        engine_idle_minutes=_number("CRYPTO_ENGINE_IDLE_MINUTES", get("CRYPTO_ENGINE_IDLE_MINUTES") or "15", 10_000),
        max_shrink=_number("CRYPTO_MAX_SHRINK", get("CRYPTO_MAX_SHRINK") or "0.2", 1),
        hour_price=_number("CRYPTO_HOUR_PRICE", get("CRYPTO_HOUR_PRICE") or HOUR_PRICE, 10_000),
        run_budget=_number("CRYPTO_RUN_BUDGET", budget, 10_000) if (budget := get("CRYPTO_RUN_BUDGET")) else None,
        fail_over_budget=_choice("CRYPTO_OVER_BUDGET", get("CRYPTO_OVER_BUDGET") or "warn", ("warn", "fail")) == "fail",
        webhook_url=_webhook(get("CRYPTO_WEBHOOK_URL")),
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


def _memory(value: str) -> str:
    if not (value[:-1].isdigit() and int(value[:-1]) > 0 and value[-1] in "mgMG"):
        raise CryptoError(f"CRYPTO_ENGINE_MEMORY is {value!r}; write a size such as 3g or 1500m.")
    return value.lower()


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


def _postgres(given: Mapping[str, str | None], project: Path) -> Postgres | None:
    endpoint = given["DB_ENDPOINT"]
    if not endpoint:
        return None
    host, port = endpoint, given["DB_PORT"] or "5432"
    # A cloud console shows an endpoint as host:port; accept it as it was copied.
    if endpoint.count(":") == 1:
        host, port = endpoint.split(":")
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
