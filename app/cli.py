"""The command line of the service."""

import asyncio
import os
import re
import socket
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from psycopg2 import OperationalError, ProgrammingError
from psycopg2.extensions import parse_dsn
from pydantic import ValidationError
from rich.console import Console

from app import data_commands, logs
from app.clients_store import TokenMissing
from app.command_errors import broker_needed, end
from app.command_progress import records_read
from app.contracts.asyncapi import write_contracts
from app.dead_letters_cli import dead_letters
from app.kafka_settings import KafkaSettings
from app.keys_cli import keys
from app.load_cli import load
from app.marking_cli import marking
from app.marking_settings import MarkingSettings, marking_settings
from app.migrations import MigrationRefused, require_current
from app.settings import Settings, settings
from app.supervisor import up as run_everything
from app.users_cli import users

if TYPE_CHECKING:
    from faust import App

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
cli.add_typer(marking, name="marking")
cli.add_typer(users, name="users")
cli.add_typer(dead_letters, name="dead-letters")
cli.add_typer(keys, name="keys")
console = Console()
USER_OF_URL = re.compile(r"//.*@")
SETTINGS = (Settings, MarkingSettings, KafkaSettings)
NOWHERE = {"host": "", "port": "", "dbname": ""}
for command in (load, data_commands.migrate, data_commands.report):
    cli.command()(command)
cli.add_typer(data_commands.mart, name="mart")


@cli.command()
def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Ledger processes.")] = 2,
    data: Annotated[Path, typer.Option(help="Folder of all local data.")] = Path(".data"),
    *,
    once: Annotated[bool, typer.Option(help="Run the demo, stop, exit with its code.")] = False,
) -> None:
    """Start everything: broker, database, topics, workers; print addresses; stop on Ctrl-C."""
    raise typer.Exit(run_everything(workers=workers, data=data, once=once))


@cli.command()
def worker(
    role: Annotated[str, typer.Option(help="ledger or services")] = "ledger",
) -> None:
    """Run one worker process in the foreground."""
    from app.ledger_check import require_ledger  # noqa: PLC0415
    from app.worker import alone_in, install_loop, run  # noqa: PLC0415 - loop first, then the app

    if role not in {"ledger", "services"}:
        raise typer.BadParameter("ledger or services", param_hint="--role")
    known = settings()
    alone: AbstractContextManager[None] = nullcontext()
    if role == "services":
        _require_database(known.database_url)
        _require_addresses(marking_settings())
    else:
        alone = alone_in(known.data_dir / known.worker_name)
    with alone:
        with broker_needed(known.kafka):
            asyncio.run(require_ledger(known))
        logs.configure(known.log_format, known.log_level)
        install_loop()
        asyncio.set_event_loop(asyncio.new_event_loop())
        run(_app(role, known))


def _app(role: str, known: Settings) -> "App":
    """Not before there is a loop."""
    internal = _internal_socket(known.internal_host, known.internal_port)
    if role == "ledger":
        from app.ledger_role import LedgerRole  # noqa: PLC0415

        return LedgerRole(known, internal).app
    from app.services_role import ServicesRole  # noqa: PLC0415

    return ServicesRole(known, internal).app


def _require_database(dsn: str | None) -> None:
    if dsn is None:
        end("a services worker needs its database: set DATABASE_URL")
    try:
        require_current(dsn)
    except (MigrationRefused, OperationalError) as refused:
        end(str(refused))


def _require_addresses(marked: MarkingSettings) -> None:
    try:
        marked.addresses  # noqa: B018 - it raises
    except ValueError as error:
        name, _, reason = str(error).partition(": ")
        end(f"settings: GIFTMARK_{name.upper()}: {reason}")


@cli.command()
def topics(
    *,
    create: Annotated[bool, typer.Option(help="Create what is missing.")] = False,
) -> None:
    """Compare the cluster's topics with the manifest; exit 1 on a difference."""
    from app.topics_admin import check_topics, ensure_topics  # noqa: PLC0415

    known = settings()
    wanted = known.topics()
    with broker_needed(known.kafka):
        if create:
            report = asyncio.run(ensure_topics(known.kafka, wanted))
            for name in report.created:
                console.print(f"created {name}")
            differences = report.differences
        else:
            differences = asyncio.run(check_topics(known.kafka, wanted))
    for difference in differences:
        console.print(str(difference), style="yellow")
    raise typer.Exit(1 if differences else 0)


@cli.command()
def contracts(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Made if it is missing.")],
) -> None:
    """Write what other systems build on: AsyncAPI 3, a JSON Schema per topic, golden samples."""
    for path in write_contracts(folder):
        console.print(str(path), highlight=False, soft_wrap=True)


@cli.command()
def demo(
    certificates: Annotated[
        int, typer.Option(min=10, max=1_000_000, help="How many to issue.")
    ] = 1_000,
) -> None:
    """Issue, sell, pay with certificates on the running product, then audit it."""
    from app.demo.run import DemoFailed  # noqa: PLC0415
    from app.demo.run import demo as run_demo  # noqa: PLC0415

    known = settings()
    if known.clients_file is None:
        end("GIFTMARK_CLIENTS_FILE names no callers; beside `up`: `set -a; . .data/env` first")
    job = run_demo(
        known.kafka,
        known.public_url,
        known.clients_file.parent,
        certificates=certificates,
        console=console,
    )
    try:
        with broker_needed(known.kafka):
            differences = asyncio.run(job)
        if differences:
            raise typer.Exit(1)
        if known.database_url and "GIFTMARK_SANDBOX_URL" in os.environ:
            raise typer.Exit(_marking_demo(known, os.environ["GIFTMARK_SANDBOX_URL"]))
    except (DemoFailed, TokenMissing) as failure:
        end(str(failure))


def _marking_demo(known: Settings, sandbox: str) -> int:
    from app.demo.marking import marking_demo  # noqa: PLC0415

    url = f"http://{known.public_host}:{known.services_port}"
    folder = known.data_dir.parent / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    dsn = str(known.database_url)
    return asyncio.run(marking_demo(url, sandbox, dsn, folder=folder, console=console))


@cli.command()
def verify(
    *,
    mart: Annotated[bool, typer.Option(help="Compare the journal with the mart.")] = False,
) -> None:
    """Recompute every balance from the public topics; exit 1 on any difference."""
    from app.certificates.auditor import audit, audit_table  # noqa: PLC0415

    if mart:
        raise typer.Exit(1 if data_commands.reconcile_mart() else 0)
    kafka = settings().kafka
    with broker_needed(kafka), records_read(console) as told:
        result = asyncio.run(audit(kafka, progress=told))
    console.print(audit_table(result))
    console.print(f"audit: {result.difference_count} differences", highlight=False)
    raise typer.Exit(1 if result.difference_count else 0)


@cli.command()
def config() -> None:
    """Print the settings in force, secrets hidden."""
    known = settings().model_dump() | marking_settings().model_dump()
    if known["database_url"]:
        known["database_url"] = _without_password(known["database_url"])
    for name, value in known.items():
        shown = USER_OF_URL.sub("//***@", repr(value))
        console.print(f"{name} = {shown}", highlight=False, markup=False, soft_wrap=True)


def _without_password(dsn: str) -> str:
    """Where the database is, if libpq can tell: it takes more than the user of a URL."""
    try:
        parts = parse_dsn(dsn)
    except ProgrammingError:
        return "***"
    place = "{host}:{port}/{dbname}".format_map({**NOWHERE, **parts})
    # What follows an unescaped / or @ of a password is host or name of the database to libpq.
    return "***" if "@" in place else f"postgresql://***@{place}"


def _internal_socket(host: str, port: int) -> socket.socket:
    """Bound before the group learns its address."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


def main() -> None:
    try:
        cli()
    except ValidationError as error:
        if error.title not in {one.__name__ for one in SETTINGS}:
            raise
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(one["loc"][0]).upper().removeprefix("GIFTMARK_") if one["loc"] else "…"
            console.print(f"settings: GIFTMARK_{name}: {one['msg']}", highlight=False)
        sys.exit(2)
