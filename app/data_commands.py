"""Commands over batches and the mart: load, migrate, report, reconcile, rebuild."""

import asyncio
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg2
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.certificates.database import Database, StorageUnavailable
from app.certificates.load_client import BatchClient
from app.certificates.load_file import BatchFile, LoadFailed
from app.certificates.load_generated import CodesFile, Generator, Wanted
from app.certificates.loader import Load, Loader
from app.certificates.mart_nightly import Closed, close_days
from app.certificates.mart_rebuild import Rebuilt, rebuild
from app.certificates.reconcile import Reconciled, reconcile
from app.certificates.reports import PLOTTED, REPORTS, plot, report_rows, report_table, write_csv
from app.clients_store import TokenMissing, bearer
from app.command_errors import broker_needed, end
from app.command_options import EMBEDDED, DatabaseUrl, DataFolder, needed_database
from app.domain.policy import Policy
from app.migrations import MigrationRefused
from app.migrations import migrate as run_migrations
from app.settings import settings

SHOWN_DIFFERENCES = 20
ROWS_PER_CHUNK = 2_000
UNAUTHORIZED = "no token: give --token, or --data, the folder of a running `up`"
console = Console()
mart = typer.Typer(no_args_is_help=True, help="The mart of the certificate half.")


def load(  # noqa: PLR0913 - every option of the command
    file: Annotated[Path, typer.Argument(help="CSV, JSON Lines; with --generate: for the codes.")],
    url: Annotated[str, typer.Option(envvar="GIFTMARK_PUBLIC_URL")] = "http://127.0.0.1:8080",
    *,
    batch_id: Annotated[str | None, typer.Option(help="Default: from the content.")] = None,
    attempt: Annotated[int, typer.Option(min=1, help="2 and more: corrected rows.")] = 1,
    rows_per_chunk: Annotated[int, typer.Option(min=1, max=5_000)] = ROWS_PER_CHUNK,
    generate: Annotated[int, typer.Option(min=0, help="Make up that many codes.")] = 0,
    nominal: Annotated[int, typer.Option(help="Of generated ones, in minor units.")] = 0,
    currency: Annotated[str, typer.Option()] = "RUB",
    validity_days: Annotated[int | None, typer.Option()] = None,
    product_id: Annotated[str | None, typer.Option()] = None,
    token: Annotated[str | None, typer.Option(envvar="GIFTMARK_LOADER_TOKEN")] = None,
    data: DataFolder = EMBEDDED,
) -> None:
    """Issue the certificates of FILE; killed and started again it goes on where it stopped."""
    authorization = _authorization(token, data)
    fields = {
        "nominal": nominal,
        "currency": currency,
        "validityDays": validity_days,
        "productId": product_id,
    }
    fields = {name: value for name, value in fields.items() if value is not None}

    async def job() -> dict[str, Any]:
        if generate:
            wanted = Wanted(batch_id or file.stem, generate, fields)
            return await _generate(url, authorization, wanted, codes=file)
        source = BatchFile(file, rows_per_chunk)
        chosen = batch_id or source.batch_id()
        return await _load(url, authorization, Load(source, chosen, source.count(), attempt))

    end = _loaded(job())
    console.print(_summary(end), highlight=False)
    if end["rejected"] and not generate:
        console.print(f"rejected rows: {file.name}.rejected.csv", style="yellow")
    raise typer.Exit(2 if end["rejected"] else 0)


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
    since: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"])] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"])] = None,
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
        str, typer.Option(envvar=["GIFTMARK_KAFKA_URL", "KAFKA_URL"])
    ] = "127.0.0.1:9092",
    database: DatabaseUrl = None,
    *,
    data: DataFolder = EMBEDDED,
) -> None:
    """Make certificates and operations anew from the topics; audit and daily sums stay."""

    async def job() -> Rebuilt:
        opened = Database(needed_database(database, data))
        try:
            return await rebuild(kafka, opened)
        finally:
            await opened.close()

    with broker_needed(kafka):
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
            return await reconcile(known.kafka_url, opened)
        finally:
            await opened.close()

    known = settings()
    with broker_needed(known.kafka_url):
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


def _authorization(token: str | None, data: Path) -> str:
    try:
        return f"Bearer {token}" if token else bearer(data, "loader")
    except TokenMissing:
        raise typer.BadParameter(UNAUTHORIZED, param_hint="--token, --data") from None


def _loaded(job: Any) -> dict[str, Any]:
    failure: BaseException | None = None
    try:
        end: dict[str, Any] = asyncio.run(job)
    except* (LoadFailed, OSError, UnicodeDecodeError) as failed:
        failure = _first(failed)
    if failure is not None:
        console.print(f"not loaded: {failure}", style="red", highlight=False, markup=False)
        raise typer.Exit(1)
    return end


async def _load(url: str, authorization: str, job: Load) -> dict[str, Any]:
    client = BatchClient(url, authorization)
    try:
        with Bar(job.rows_total, job.batch_id) as told:
            return await Loader(client, told).load(job)
    finally:
        await client.close()


async def _generate(url: str, authorization: str, wanted: Wanted, *, codes: Path) -> dict[str, Any]:
    client = BatchClient(url, authorization)
    try:
        with Bar(wanted.count, wanted.batch_id) as told:
            return await Generator(client, told).generate(wanted, CodesFile(codes))
    finally:
        await client.close()


class Bar:
    """A progress bar that is told what `GET …/batches/{batchId}` answers."""

    def __init__(self, total: int, batch_id: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task(f"batch {batch_id}", total=total)

    def __enter__(self) -> Any:
        self._progress.start()
        return self._told

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _told(self, known: dict[str, Any]) -> None:
        done = sum(known[name] for name in ("issued", "duplicate", "rejected", "cancelled"))
        self._progress.update(self._task, completed=done)


def _summary(end: dict[str, Any]) -> str:
    names = ("issued", "duplicate", "rejected", "cancelled", "queued")
    counts = ", ".join(f"{end[name]:,} {name}" for name in names if end[name])
    return f"batch {end['batchId']}: {counts or 'no row'}"


def _asked(job: Any) -> Any:
    try:
        return asyncio.run(job)
    except StorageUnavailable as error:
        console.print(f"the database does not answer: {error}", style="red", markup=False)
        raise typer.Exit(1) from None


def _policy() -> Policy:
    fields: dict[str, Any] = json.loads(os.environ.get("GIFTMARK_POLICY", "{}"))
    return Policy(**fields)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
