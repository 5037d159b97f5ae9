"""One definition of "the same name": in Postgres, where names are entered, and in the lake, where trades match them."""

import functools
import unicodedata

import psycopg
import pyarrow as pa
import pytest

from lakehouse import postgres

LETTERS = pa.table({"code": [code for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF]})


@functools.cache
def keys_of(spark) -> dict[str, str]:
    """Return the key of each letter by which the lake compares names, letters that are their own key left out."""
    letters = LETTERS.append_column("letter", pa.array(map(chr, LETTERS["code"].to_pylist())))
    found: dict[str, str] = {}
    for start in range(0, len(letters), 100_000):
        part = spark.createDataFrame(letters.slice(start, 100_000))
        rows = spark.sql("select letter, upper(letter) as key from {part} where upper(letter) <> letter", part=part)
        found |= dict(zip(*(column.to_pylist() for column in rows.toArrow().columns), strict=True))
    return found


def in_postgres(settings, names: list[str]) -> list[str]:
    with postgres.connect(settings) as connection:
        query = (
            "select crypto.name_key(name) from unnest(%s::text[]) with ordinality as given (name, place) order by place"
        )
        return [key for (key,) in connection.execute(query, [names])]


def test_postgres_knows_each_letter_as_the_lake_does(spark, migrated):
    keys = keys_of(spark)
    assert len(keys) > 1_400
    assert in_postgres(migrated, [*keys]) == [*keys.values()]
    # No other letter has a key of another.
    alphabetic = [
        chr(code) for code in LETTERS["code"].to_pylist() if unicodedata.category(chr(code)) in ("Lu", "Ll", "Lt")
    ]
    others = [letter for letter in alphabetic if letter not in keys]
    assert len(others) > 1_000
    assert in_postgres(migrated, others) == others


def test_apache_spark_knows_no_pair_of_letters_that_postgres_does_not(apache_spark, migrated):
    keys = keys_of(apache_spark)
    assert in_postgres(migrated, [*keys]) == [*keys.values()]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Straße", "STRASSE"),
        ("é", "É"),
        ("Ωmega", "ωMEGA"),
        ("ſol", "SOL"),
        ("ﬁn", "FIN"),
        ("привет", "ПРИВЕТ"),
        ("dᾳ", "DΑΙ"),
        ("ŉx", "ʼNX"),
    ],
)
def test_a_second_spelling_is_refused_where_it_is_entered(migrated, first, second):
    with postgres.connect(migrated, autocommit=True) as connection:
        for table, rest in (("symbols", "'x', 'x'"), ("exchanges", "'x', 'x', 'x'")):
            if first.upper() != "SOL" or table == "exchanges":
                connection.execute(f"insert into crypto.{table} values (%s, {rest})", [first])
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute(f"insert into crypto.{table} values (%s, {rest})", [second])


@pytest.mark.parametrize("name", ["币安人生", "BTC/EUR", "100x", "東証", "Ⅷ"])
def test_names_of_any_script_are_entered(migrated, name):
    with postgres.connect(migrated, autocommit=True) as connection:
        connection.execute("insert into crypto.symbols values (%s, 'x', 'x')", [name])


def test_two_spellings_that_stand_there_already_are_named(database):
    from lakehouse.errors import CryptoError
    from lakehouse.postgres import migrate

    with postgres.connect(database, autocommit=True) as connection:
        texts = migrate.files()
        connection.execute(texts.pop("000_schema_migrations.sql"))
        connection.execute(texts["001_reference.sql"])
        connection.execute("insert into crypto.symbols values ('é', 'x', 'x'), ('É', 'x', 'x')")
        with pytest.raises(CryptoError, match="two spellings"):
            migrate.migrate(connection)
