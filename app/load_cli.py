"""`python -m app load`: certificates of a file, or made up ones, by the public endpoint."""

import asyncio
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.certificates.load_client import BatchClient
from app.certificates.load_file import BatchFile, LoadFailed
from app.certificates.load_generated import CodesFile, Generator, Wanted
from app.certificates.loader import Load, Loader, rejected_path
from app.clients_store import TokenMissing, bearer
from app.command_options import EMBEDDED, DataFolder

ROWS_PER_CHUNK = 2_000
UNAUTHORIZED = "no token: give --token, or --data, the folder of a running `up`"
console = Console()


def load(  # noqa: PLR0913 - every option of the command
    file: Annotated[Path, typer.Argument(help="CSV, JSON Lines; with --generate: for the codes.")],
    url: Annotated[
        str, typer.Option(envvar="GIFTMARK_PUBLIC_URL", help="The ledger workers.")
    ] = "http://127.0.0.1:8080",
    *,
    batch_id: Annotated[str | None, typer.Option(help="Default: from the content.")] = None,
    attempt: Annotated[int, typer.Option(min=1, help="2 and more: corrected rows.")] = 1,
    rows_per_chunk: Annotated[
        int, typer.Option(min=1, max=5_000, help="Rows of one upload.")
    ] = ROWS_PER_CHUNK,
    generate: Annotated[int, typer.Option(min=0, help="Make up that many codes.")] = 0,
    nominal: Annotated[int, typer.Option(help="Of generated ones, in minor units.")] = 0,
    currency: Annotated[str, typer.Option(help="Of generated ones.")] = "RUB",
    validity_days: Annotated[
        int | None,
        typer.Option(help="Of generated ones, counted from activation; default: no end."),
    ] = None,
    product_id: Annotated[
        str | None, typer.Option(help="Of generated ones: the article they are sold as.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="GIFTMARK_LOADER_TOKEN",
            help="CLIENT.SECRET with scope loader; default: that of the folder of `up`.",
        ),
    ] = None,
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
        told = _to_correct(file, end["batchId"], attempt)
        console.print(told, style="yellow", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(2 if end["rejected"] else 0)


def _authorization(token: str | None, data: Path) -> str:
    try:
        return f"Bearer {token}" if token else bearer(data, "loader")
    except TokenMissing:
        raise typer.BadParameter(UNAUTHORIZED, param_hint="--token, --data") from None


def _to_correct(file: Path, batch_id: str, attempt: int) -> str:
    again = f"load COPY --batch-id {shlex.quote(batch_id)} --attempt {attempt + 1}"
    return f"rejected rows: {rejected_path(file.absolute())}\ncorrect a copy of it, then: {again}"


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


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
