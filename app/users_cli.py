"""`python -m app users …`, and the first administrator of an installation."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import psycopg2
import typer
from rich.console import Console

from app.command_errors import end
from app.command_options import EMBEDDED, DatabaseUrl, DataFolder, needed_database
from app.marking import people
from app.marking.database import Database, Row, connect
from app.marking.errors import MarkingError

SHORTEST_PASSWORD = 10
KEYS_A_PAGE = 200
T = TypeVar("T")
users = typer.Typer(no_args_is_help=True, help="People of the marking console.")
console = Console()


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except MarkingError as refusal:
        console.print(refusal.text, style="red")
        raise typer.Exit(1) from None
    except psycopg2.OperationalError as error:
        end(f"the database does not answer: {error}")


@users.command()
def add(
    login: Annotated[str, typer.Argument(help="Name of the new user.")],
    database: DatabaseUrl = None,
    *,
    admin: Annotated[bool, typer.Option(help="May manage users and organisations.")] = False,
    email: Annotated[str | None, typer.Option(help="For notifications.")] = None,
    key: Annotated[bool, typer.Option(help="Make an API key too.")] = False,
    data: DataFolder = EMBEDDED,
) -> None:
    """A new user; the password, and the key if asked for, are printed once."""
    dsn = needed_database(database, data)
    password, made = _run(_add(dsn, login, email=email, admin=admin, key=key))
    console.print(f"password: {password}", highlight=False)
    if made:
        console.print(f"API key: {made}", highlight=False)


async def _add(
    dsn: str, login: str, *, email: str | None, admin: bool, key: bool
) -> tuple[str, str]:
    password = secrets.token_urlsafe(SHORTEST_PASSWORD)
    async with _opened(dsn) as database:
        user = await people.add_user(database, login, password, email=email, is_admin=admin)
        return password, await people.add_key(database, user, "first") if key else ""


@asynccontextmanager
async def _opened(dsn: str) -> AsyncIterator[Database]:
    database = await connect(dsn, most=1)
    try:
        yield database
    finally:
        await database.close()


@users.command()
def keys(database: DatabaseUrl = None, *, data: DataFolder = EMBEDDED) -> None:
    """API keys: id, user, name, whether it opens anything."""
    for row in _run(_keys(needed_database(database, data))):
        state = "active" if row["active"] else "revoked"
        line = f"{row['id']} {row['login']} {row['name']} {state}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


async def _keys(dsn: str) -> list[Row]:
    async with _opened(dsn) as database:
        found: list[Row] = []
        while page := await people.keys(
            database, after=found[-1]["id"] if found else None, limit=KEYS_A_PAGE
        ):
            found += page
        return found


@users.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Id of the key, as `users keys` shows it.")],
    database: DatabaseUrl = None,
    *,
    data: DataFolder = EMBEDDED,
) -> None:
    """An API key opens nothing any more."""
    _run(_revoke(needed_database(database, data), key))


async def _revoke(dsn: str, key: str) -> None:
    async with _opened(dsn) as database:
        await people.revoke_key(database, key)


async def first_admin(dsn: str, login: str = "admin") -> str | None:
    """The password of the very first user; None when there is one already."""
    async with _opened(dsn) as database:
        if await people.any_user(database):
            return None
        password = secrets.token_urlsafe(SHORTEST_PASSWORD)
        await people.add_user(database, login, password, is_admin=True)
        return password
