"""Commands over the database: migrate, report, the mart, its reconciliation."""

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psycopg2
import typer
from rich.console import Console
from rich.table import Table

from app.certificates.database import Database, StorageUnavailable
from app.certificates.mart_nightly import Closed, close_days
from app.certificates.mart_rebuild import Rebuilt, rebuild
from app.certificates.reconcile import Reconciled, reconcile
from app.certificates.reports import PLOTTED, REPORTS, plot, report_rows, report_table, write_csv
from app.command_errors import broker_needed, end
from app.command_options import EMBEDDED, DatabaseUrl, DataFolder, needed_database
from app.domain.policy import Policy
from app.kafka_settings import KafkaSettings
from app.migrations import MigrationRefused
from app.migrations import migrate as run_migrations
from app.settings import settings

SHOWN_DIFFERENCES = 20
console = Console()
mart = typer.Typer(no_args_is_help=True, help="The mart of the certificate half.")


def migrate(database: DatabaseUrl = None, *, data: DataFolder = EMBEDDED) -> None:
    """Bring the database forward to this program's schema."""
    try:
        done = run_migrations(needed_database(database, data))
    except MigrationRefused as refused:
        console.print(str(refused), style="red")
        raise typer.Exit(1) from None
    except psycopg2.OperationalError as error:
        end(f"the database does not answer: {error}")
    for title in done:
        console.print(f"applied {title}")
    console.print("the schema is current")


def report(
    name: Annotated[str, typer.Argument(help=", ".join(REPORTS))],
    database: DatabaseUrl = None,
    *,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, to stdout.")] = False,
    picture: Annotated[Path | None, typer.Option("--plot", help="PNG, SVG or PDF.")] = None,
    data: DataFolder = EMBEDDED,
) -> None:
    """Show a report of the mart as a table, as CSV or as a picture."""
    if name not in REPORTS:
        raise typer.BadParameter(f"one of {', '.join(REPORTS)}", param_hint="NAME")
    if picture is not None and name not in PLOTTED:
        raise typer.BadParameter(f"drawn are {', '.join(PLOTTED)}", param_hint="--plot")

    async def read() -> list[dict[str, Any]]:
        opened = Database(needed_database(database, data), policy=_policy())
        try:
            bounds = (since.date() if since else None, until.date() if until else None)
            return await report_rows(opened, name, since=bounds[0], until=bounds[1])
        finally:
            await opened.close()

    rows = _asked(read())
    if as_csv:
        write_csv(rows, sys.stdout)
    elif picture is None:
        console.print(report_table(name, rows))
    if picture is not None:
        plot(name, rows, str(picture))
        console.print(f"drawn: {picture}", highlight=False)


@mart.command("rebuild")
def mart_rebuild(
    kafka: Annotated[
        str, typer.Option(envvar=["GIFTMARK_KAFKA_URL", "KAFKA_URL"], help="The broker.")
    ] = "127.0.0.1:9092",
    database: DatabaseUrl = None,
    *,
    data: DataFolder = EMBEDDED,
) -> None:
    """Make certificates and operations anew from the topics; audit and daily sums stay."""
    access = KafkaSettings(kafka_url=kafka).kafka

    async def job() -> Rebuilt:
        opened = Database(needed_database(database, data))
        try:
            return await rebuild(access, opened)
        finally:
            await opened.close()

    with broker_needed(access):
        done = _asked(job())
    console.print(
        f"{done.states:,} states, {done.operations:,} operations read,"
        f" {done.openings:,} opened without their beginning",
        highlight=False,
    )


@mart.command("nightly")
def mart_nightly(database: DatabaseUrl = None, *, data: DataFolder = EMBEDDED) -> None:
    """Keep what was owed at the end of each day; drop audit older than five years."""

    async def job() -> Closed:
        opened = Database(needed_database(database, data), policy=_policy())
        try:
            return await close_days(opened)
        finally:
            await opened.close()

    done = _asked(job())
    console.print(f"{done.days} daily sums kept, {done.months} months of audit dropped")


def reconcile_mart() -> int:
    """Prints what the journal and the mart disagree on; the number of differences."""

    async def job() -> Reconciled:
        opened = Database(known.database_url, policy=_policy())
        try:
            return await reconcile(known.kafka, opened)
        finally:
            await opened.close()

    known = settings()
    with broker_needed(known.kafka):
        result: Reconciled = _asked(job())
    table = Table("currency", "certificates", "journal", "mart", title="Journal and mart")
    for row in result.totals:
        sums = (f"{row[name]:,}" for name in ("certificates", "journal", "mart"))
        table.add_row(row["currency"], *sums)
    console.print(table)
    for row in result.differences[:SHOWN_DIFFERENCES]:
        console.print(f"{row['kind']}: {row['certificate_id']}", style="red", highlight=False)
        console.print(f"  journal {row['journal']}\n  mart    {row['mart']}", highlight=False)
    told = f"reconciliation: {len(result.differences)} differences, {result.behind} behind"
    console.print(told, highlight=False)
    return len(result.differences)


def _asked(job: Any) -> Any:
    try:
        return asyncio.run(job)
    except StorageUnavailable as error:
        console.print(f"the database does not answer: {error}", style="red", markup=False)
        raise typer.Exit(1) from None


def _policy() -> Policy:
    """Of the environment alone: these commands need none of the secrets."""
    try:
        return msgspec.json.decode(os.environ.get("GIFTMARK_POLICY", "{}"), type=Policy)
    except msgspec.DecodeError as error:
        end(f"settings: GIFTMARK_POLICY: {error}")
