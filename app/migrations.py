"""Brings a database forward by the numbered SQL files of `deploy/sql/<half>/`."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

SQL = Path(__file__).resolve().parent.parent / "deploy" / "sql"
FILE_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")
LOCK = 0x6769_6674  # one number that every starting process of this product agrees on
TABLE = """
CREATE TABLE IF NOT EXISTS public.schema_migrations (
    half text NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (half, number)
)
"""


class Migration(msgspec.Struct, frozen=True):
    half: str
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def title(self) -> str:
        return f"{self.half}/{self.name}"


class MigrationRefused(RuntimeError):
    """Files and database disagree; nothing was changed."""


def migrate(dsn: str, *, source: Path = SQL) -> list[str]:
    """The titles of what was applied now; a second caller waits and then finds nothing to do."""
    known = migrations(source)
    with _locked(dsn) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(TABLE)
            waiting = _waiting(cursor, known)
        for migration in waiting:
            with connection, connection.cursor() as cursor:
                _apply(cursor, migration)
    return [migration.title for migration in waiting]


def require_current(dsn: str, *, source: Path = SQL) -> None:
    """Refuses a database that is newer or older than these files."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.schema_migrations')")
        row = cursor.fetchone()
        known = migrations(source)
        waiting = known if row is None or row[0] is None else _waiting(cursor, known)
    if waiting:
        titles = ", ".join(migration.title for migration in waiting)
        raise MigrationRefused(f"the database lacks {titles}: run `python -m app migrate`")


def migrations(source: Path) -> list[Migration]:
    return [m for folder in sorted(source.iterdir()) if folder.is_dir() for m in _half(folder)]


def _half(folder: Path) -> list[Migration]:
    found = [_read(path) for path in sorted(folder.iterdir())]
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationRefused(f"{migration.title}: expected number {expected:04}")
    return found


def _read(path: Path) -> Migration:
    match = FILE_NAME.fullmatch(path.name)
    if match is None:
        raise MigrationRefused(f"{path}: not named like 0001_orders.sql")
    return Migration(path.parent.name, int(match["number"]), path.name, path.read_text())


def _waiting(cursor: Cursor, known: list[Migration]) -> list[Migration]:
    cursor.execute("SELECT half, number, name, checksum FROM public.schema_migrations")
    applied = {(half, number): (name, checksum) for half, number, name, checksum in cursor}
    by_key = {(migration.half, migration.number): migration for migration in known}
    for key, (name, checksum) in sorted(applied.items()):
        if key not in by_key:
            raise MigrationRefused(f"the database has {key[0]}/{name}: newer than this program")
        if by_key[key].checksum != checksum:
            raise MigrationRefused(f"{by_key[key].title} was changed after it was applied")
    return [migration for key, migration in by_key.items() if key not in applied]


def _apply(cursor: Cursor, migration: Migration) -> None:
    try:
        cursor.execute(migration.sql)
    except psycopg2.Error as error:
        raise MigrationRefused(f"{migration.title} failed: {error}") from error
    cursor.execute(
        "INSERT INTO public.schema_migrations (half, number, name, checksum)"
        " VALUES (%s, %s, %s, %s)",
        (migration.half, migration.number, migration.name, migration.checksum),
    )


@contextmanager
def _locked(dsn: str) -> Iterator[Connection]:
    """A connection that alone may migrate; the lock ends with the connection."""
    with closing(psycopg2.connect(dsn)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        yield connection
