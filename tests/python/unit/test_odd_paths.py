"""A Delta table is read wherever the data home is."""

import json

import pyarrow as pa
import pytest
from dbt.adapters.localspark import delta_statements
from deltalake import write_deltalake
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import settings
from lakehouse.engine import sail
from lakehouse.storage import lake


@pytest.mark.parametrize(
    "folder",
    [
        "crypto_feature%2Fcandles",
        "First%20Part - 100%",
        "a\\\\b",
        "a#b?c=d&e",
        "lake[1]{2}",
        "v1,v2;v3",
        "it's",
        'a"quoted"one',
        "2025-03-01T12:00:00",
        "$HOME ${x}",
        "ünï/東京",
        "-x",
        "x" * 200,
    ],
)
def test_a_table_below_an_odd_path_is_read(tmp_path, folder):
    write_deltalake(tmp_path / "table", pa.table({"a": [1, 2]}))
    found = settings.load(no_settings() | {"CRYPTO_HOME": str(tmp_path / folder / "home")}, PROJECT)
    place = found.warehouse / "gold.db"
    place.mkdir(parents=True)
    (tmp_path / "table").rename(place / "daily_metrics")
    table = lake.table(found, "gold.daily_metrics")
    assert (table.version(), len(table.history()), table.to_pyarrow_table().num_rows) == (0, 1, 2)
    (place / "later.parquet").touch()
    assert lake.read(found, "gold.daily_metrics", ["a"])["a"].to_pylist() == [1, 2]
    assert lake.table(found, "gold.none") is None
    delta_statements.answer(found, "comment on table gold.daily_metrics is 'Days.'")
    assert lake.table(found, "gold.daily_metrics").metadata().description == "Days."
    assert (place / "daily_metrics/_delta_log" / f"{1:020}.json").is_file()
    # Sail takes the folder of its temporary files as a list in JSON.
    given = sail.environment(found, found.home / "engine", {})["SAIL_RUNTIME__TEMPORARY_FILES__PATHS"]
    assert json.loads(given) == [str(found.home / "engine" / "tmp")]
