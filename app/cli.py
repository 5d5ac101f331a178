"""The command line of the service."""

import asyncio
import socket
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app import logs
from app.contracts.topics import manifest
from app.settings import settings
from app.supervisor import up as run_everything

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()


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
    from app.worker import install_loop, run  # noqa: PLC0415 - the loop comes before the app

    known = settings()
    logs.configure(known.log_format, known.log_level)
    install_loop()
    asyncio.set_event_loop(asyncio.new_event_loop())
    if role == "ledger":
        from app.ledger_role import LedgerRole  # noqa: PLC0415

        run(LedgerRole(known, _internal_socket(known.internal_host, known.internal_port)).app)
    else:
        raise typer.BadParameter("ledger or services", param_hint="--role")


@cli.command()
def topics(
    *,
    create: Annotated[bool, typer.Option(help="Create what is missing.")] = False,
) -> None:
    """Compare the cluster's topics with the manifest; exit 1 on a difference."""
    from app.topics_admin import check_topics, ensure_topics  # noqa: PLC0415

    known = settings()
    wanted = manifest(known.ledger_partitions, known.inbound_partitions)
    if create:
        report = asyncio.run(ensure_topics(known.kafka_url, wanted))
        for name in report.created:
            console.print(f"created {name}")
        differences = report.differences
    else:
        differences = asyncio.run(check_topics(known.kafka_url, wanted))
    for difference in differences:
        console.print(str(difference), style="yellow")
    raise typer.Exit(1 if differences else 0)


@cli.command()
def config() -> None:
    """Print the settings in force, secrets hidden."""
    for name, value in settings().model_dump().items():
        console.print(f"{name} = {value!r}", highlight=False)


def _internal_socket(host: str, port: int) -> socket.socket:
    """Bound before the group learns its address."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


def main() -> None:
    cli()
