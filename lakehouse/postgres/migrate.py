"""Migrate schema ``crypto`` of a Postgres database: plain SQL files, each applied once, in the order of their names."""

from __future__ import annotations

from importlib import resources

import psycopg

from lakehouse.errors import CryptoError, first_line

LOCK = "crypto lakehouse: migrations"
LOCK_SECONDS = 60
# The tables that each version of the schema has had, also before it recorded its migrations.
OURS = {"symbols", "exchanges", "withdrawn_files"}

# Letters whose upper case the oldest Python does not know yet, those of Unicode 15 to 17, as Spark and Sail have them.
NEWER_LETTERS = dict(
    zip(
        "ƛɤᲊꟍ꟏ꟓꟕꟛ𐵰𐵱𐵲𐵳𐵴𐵵𐵶𐵷𐵸𐵹𐵺𐵻𐵼𐵽𐵾𐵿𐶀𐶁𐶂𐶃𐶄𐶅𖺻𖺼𖺽𖺾𖺿𖻀𖻁𖻂𖻃𖻄𖻅𖻆𖻇𖻈𖻉𖻊𖻋𖻌𖻍𖻎𖻏𖻐𖻑𖻒𖻓",
        "ꟜꟋᲉꟌ꟎꟒꟔Ꟛ𐵐𐵑𐵒𐵓𐵔𐵕𐵖𐵗𐵘𐵙𐵚𐵛𐵜𐵝𐵞𐵟𐵠𐵡𐵢𐵣𐵤𐵥𖺠𖺡𖺢𖺣𖺤𖺥𖺦𖺧𖺨𖺩𖺪𖺫𖺬𖺭𖺮𖺯𖺰𖺱𖺲𖺳𖺴𖺵𖺶𖺷𖺸",
        strict=True,
    )
)


def files() -> dict[str, str]:
    """Return the SQL of each migration by file name, in the order in which they are applied."""
    folder = resources.files("lakehouse.postgres.migrations")
    paths = [path for path in folder.iterdir() if path.name.endswith(".sql")]
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(paths, key=lambda path: path.name)}


def migrate(connection: psycopg.Connection) -> list[str]:
    """Apply the missing migrations in one transaction and return their names.

    A database that is up to date is only read, so a user without the right to change it can call this too.
    Raise CryptoError if the user lacks a privilege or another program holds a lock on the schema.
    """
    try:
        with connection.transaction():
            if not _missing(connection):
                return []
            _refuse_another_programs_schema(connection)
            connection.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
            # Another process may have applied them while this one waited.
            missing = _missing(connection)
            give_letters(connection)
            for name in missing:
                connection.execute(files()[name])
                connection.execute("insert into crypto.schema_migrations (name) values (%s)", [name])
            return missing
    except psycopg.errors.InsufficientPrivilege as error:
        raise CryptoError(
            f"The Postgres user {connection.info.user!r} lacks the privilege to set up schema crypto "
            f"({error.diag.message_primary}); run once with a user who can create schemas in the database."
        ) from error
    except psycopg.errors.LockNotAvailable as error:
        raise CryptoError("Another program is changing schema crypto; run again when it is done.") from error
    except psycopg.errors.UniqueViolation as error:
        raise CryptoError(
            "Schema crypto can't be set up, a name stands in it in two spellings "
            f"({error.diag.message_detail}); delete one of them in Postgres."
        ) from error
    except psycopg.Error as error:
        if connection.broken:
            raise
        database = connection.info.dbname
        raise CryptoError(
            f"Schema crypto of the database {database!r} can't be set up ({first_line(error)}); "
            "if it belongs to another program, name another database in DB_NAME."
        ) from error


def give_letters(connection: psycopg.Connection) -> None:
    """Set what a migration takes from here: all letters with an upper case, and it, as crypto.letters and so on."""
    upper = {letter: letter.upper() for letter in map(chr, range(0x20000))} | NEWER_LETTERS
    single = {letter: key for letter, key in upper.items() if key != letter and len(key) == 1}
    several = {letter: key for letter, key in upper.items() if len(key) > 1}
    for name, text in (
        ("letters", "".join(single)),
        ("upper_letters", "".join(single.values())),
        ("several", " ".join(several)),
        ("upper_several", " ".join(several.values())),
    ):
        connection.execute("select set_config(%s, %s, false)", [f"crypto.{name}", text])


def _refuse_another_programs_schema(connection: psycopg.Connection) -> None:
    """Raise CryptoError if schema crypto has tables or functions but no migration of ours has ever made one."""
    query = """
        select relname from pg_class where relnamespace = to_regnamespace('crypto') and relkind in ('r', 'v', 'm', 'p')
        union all
        select proname from pg_proc where pronamespace = to_regnamespace('crypto')
    """
    names = {name for (name,) in connection.execute(query)}
    if names and not names >= OURS:
        raise CryptoError(
            f"The database {connection.info.dbname!r} has a schema crypto that another program made "
            f"(it holds {sorted(names)[0]!r}); name another database in DB_NAME."
        )


def _missing(connection: psycopg.Connection) -> list[str]:
    # Query the catalog: a lookup by name, such as to_regclass, can answer from a cache in which the schema is missing.
    exists = "select 1 from pg_tables where schemaname = 'crypto' and tablename = 'schema_migrations'"
    applied: set[str] = set()
    if connection.execute(exists).fetchone():
        applied = {name for (name,) in connection.execute("select name from crypto.schema_migrations")}
    return [name for name in files() if name not in applied]
