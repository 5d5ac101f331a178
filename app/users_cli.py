"""`python -m app users …`, and the first administrator of an installation."""

import asyncio
import secrets
from typing import Annotated

import psycopg2
import typer
from rich.console import Console

from app.command_errors import end
from app.command_options import EMBEDDED, DatabaseUrl, DataFolder, needed_database
from app.marking import people
from app.marking.database import connect
from app.marking.errors import MarkingError

SHORTEST_PASSWORD = 10
users = typer.Typer(no_args_is_help=True, help="People of the marking console.")
console = Console()


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
    try:
        password, made = asyncio.run(_add(dsn, login, email=email, admin=admin, key=key))
    except MarkingError as refusal:
        console.print(refusal.text, style="red")
        raise typer.Exit(1) from None
    except psycopg2.OperationalError as error:
        end(f"the database does not answer: {error}")
    console.print(f"password: {password}", highlight=False)
    if made:
        console.print(f"API key: {made}", highlight=False)


async def _add(
    dsn: str, login: str, *, email: str | None, admin: bool, key: bool
) -> tuple[str, str]:
    password = secrets.token_urlsafe(SHORTEST_PASSWORD)
    database = await connect(dsn, most=1)
    try:
        user = await people.add_user(database, login, password, email=email, is_admin=admin)
        return password, await people.add_key(database, user, "first") if key else ""
    finally:
        await database.close()


async def first_admin(dsn: str, login: str = "admin") -> str | None:
    """The password of the very first user; None when there is one already."""
    database = await connect(dsn, most=1)
    try:
        if await people.any_user(database):
            return None
        password = secrets.token_urlsafe(SHORTEST_PASSWORD)
        await people.add_user(database, login, password, is_admin=True)
        return password
    finally:
        await database.close()
