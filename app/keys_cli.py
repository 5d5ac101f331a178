"""`python -m app keys …`: lost keys are lost certificates and codes, so they are kept elsewhere."""

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import psycopg2
import typer
from psycopg2.errors import UndefinedTable
from rich.console import Console
from rich.table import Table

from app.command_options import EMBEDDED, DatabaseUrl, DataFolder, found_database
from app.contact_keys import KEPT, KEYS, ContactKey, ContactKeys
from app.keys_backup import BackupRefused, first_key, open_backup, seal
from app.marking import rotation
from app.marking.database import connect
from app.marking.sealing import Sealer
from app.secrets_store import FILE, NAMES, SecretsMissing, required_secrets, variable, write_private

SHORTEST_PASSPHRASE = 12
MARKING_KEYS = variable("marking_secret_keys")
VARIABLE = "GIFTMARK_BACKUP_PASSPHRASE"
UNNOTED = (
    "no database runs there: the service will go on warning;"
    " run again beside it into another FILE, or give --database"
)
OWN_KEYS = f"{variable(KEYS)} is set: its keys are in force, change them there"
keys = typer.Typer(no_args_is_help=True, help="Keys of the installation: backup and rotation.")
console = Console()


def _new(file: Path) -> Path:
    """The keys of an older backup may be nowhere else."""
    if file.exists():
        raise typer.BadParameter(f"{file} exists already")
    return file


NewFile = Annotated[Path, typer.Argument(callback=_new, help="Made; must not exist.")]
Backup = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="From `keys backup`.")]
NewPassphrase = Annotated[
    str,
    typer.Option(
        envvar=VARIABLE,
        prompt=True,
        confirmation_prompt=True,
        hide_input=True,
        help=f"At least {SHORTEST_PASSPHRASE} characters; without it the backup is worth nothing.",
    ),
]
Passphrase = Annotated[
    str,
    typer.Option(envvar=VARIABLE, prompt=True, hide_input=True, help="The one of the backup."),
]


@keys.command()
def backup(
    file: NewFile,
    passphrase: NewPassphrase,
    *,
    data: DataFolder = EMBEDDED,
    database: DatabaseUrl = None,
) -> None:
    """Seal all keys in force into FILE; the service then no longer warns that there is none."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        _end(f"the passphrase is shorter than {SHORTEST_PASSPHRASE} characters")
    try:
        secrets = _in_force(data)
    except SecretsMissing as problem:
        _end(str(problem))
    write_private(file, seal(secrets, passphrase).decode())
    told = f"{len(secrets)} keys in {file}; keep it and its passphrase apart"
    console.print(told, highlight=False, soft_wrap=True)
    dsn = found_database(database, data)
    if dsn is None or not _noted(dsn, Sealer([first_key(secrets[MARKING_KEYS])]).check_value):
        console.print(UNNOTED, style="yellow", highlight=False, soft_wrap=True)


@keys.command()
def restore(file: Backup, passphrase: Passphrase, *, data: DataFolder = EMBEDDED) -> None:
    """Put the keys of FILE into a fresh folder of `up`."""
    target = data / FILE
    if target.exists():
        _end(f"{target} exists already: its keys are in use")
    try:
        secrets = open_backup(file.read_bytes(), passphrase)
    except BackupRefused as problem:
        _end(str(problem))
    stored = {name: secrets[variable(name)] for name in NAMES if variable(name) in secrets}
    write_private(target, json.dumps(stored, indent=2))
    console.print(f"{len(stored)} keys in {target}")


@keys.command("list")
def list_contact_keys(*, data: DataFolder = EMBEDDED) -> None:
    """Show the contact keys of `up`: since when each seals, and until when it is needed."""
    table = Table("contact key", "seals since", "sealed until", "opens until")
    for key in _contact_keys(data):
        dates = (key.since, key.until, key.kept_to)
        table.add_row(key.id, *("" if day is None else day.isoformat() for day in dates))
    console.print(table)


@keys.command()
def rotate(
    *,
    data: DataFolder = EMBEDDED,
    yes: Annotated[bool, typer.Option("--yes", help="Destroy without asking.")] = False,
) -> None:
    """Make the next contact key of `up`, once a month; destroy those that are not needed.

    A key is needed for 150 days after it last sealed.
    """
    held = _contact_keys(data)
    over = [key for key in held if key.is_over(_today())]
    if held.newest.since is None:
        told = f"contact key {held.newest.id} waits already for the next start of `up`"
    else:
        held.add()
        told = f"contact key {held.newest.id} seals from the next start of `up` on; back it up"
    console.print(told, highlight=False, soft_wrap=True)
    if over and (yes or _agreed(over)):
        held.destroy(over)
        console.print(f"destroyed: {_names(over)}; older backups hold them", highlight=False)


def _contact_keys(data: Path) -> ContactKeys:
    if not (data / FILE).exists():
        _end(f"no keys in {data}: `up` makes them at its first start")
    held = ContactKeys(data)
    if os.environ.get(variable(KEYS), held.text) != held.text:
        _end(OWN_KEYS)
    return held


def _agreed(over: Sequence[ContactKey]) -> bool:
    told = f"{_names(over)} sealed nothing for {KEPT.days} days. Destroy, for ever?"
    return typer.confirm(told)


def _names(keys: Sequence[ContactKey]) -> str:
    return ", ".join(key.id for key in keys)


def _today() -> date:
    return datetime.now(UTC).date()


def _in_force(data: Path) -> dict[str, str]:
    """Those of the environment, else those of the folder. Raises SecretsMissing."""
    path = data / FILE
    stored = json.loads(path.read_text()) if path.exists() else {}
    given = {variable(name): value for name, value in stored.items()}
    return required_secrets(given | os.environ)


def _noted(dsn: str, check_value: str) -> bool:
    """False: nothing answers there, as after a kill, or it is a database of something else."""
    try:
        asyncio.run(_note(dsn, check_value))
    except (psycopg2.OperationalError, UndefinedTable, TimeoutError):
        return False
    return True


async def _note(dsn: str, check_value: str) -> None:
    database = await connect(dsn, most=1)
    try:
        await rotation.note_backup(database, check_value)
    finally:
        await database.close()


def _end(text: str) -> NoReturn:
    console.print(text, style="red", highlight=False)
    raise typer.Exit(1)
