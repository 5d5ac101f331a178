"""`python -m app dead-letters`: what could not be handled, and what to do with it."""

import asyncio
import getpass
import time
from typing import Annotated, Any

import msgspec
import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from app import logs
from app.certificates.dead_letters.desk import HANDLED_MOST, LIST_MOST, Desk, Outcome, Refused, Who
from app.certificates.dead_letters.letters import Letter, Name, Wanted, WrongName
from app.certificates.dead_letters.shelf import Listing
from app.certificates.sealing import DeadLetterSealer
from app.command_errors import broker_needed, end
from app.settings import settings

dead_letters = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
console = Console()
BROKEN = (Refused, WrongName, KafkaError)
COLUMNS = ("letter", "at", "stage", "code", "entity", "reason")

NAME = "<topic>.DLQ/<partition>/<offset>"
Letters = Annotated[list[str], typer.Argument(help=NAME)]
Topic = Annotated[str | None, typer.Option(help="Of this topic only.")]
Code = Annotated[str | None, typer.Option(help="With this cause only.")]
Entity = Annotated[str | None, typer.Option(help="About this order, certificate or batch only.")]
Reason = Annotated[str, typer.Option(min=1, help="Kept with the mark and in the audit.")]
Limit = Annotated[int, typer.Option(min=1, max=LIST_MOST, help="Show at most that many.")]


@dead_letters.command("list")
def list_open(
    *,
    topic: Topic = None,
    code: Code = None,
    entity: Entity = None,
    limit: Limit = 100,
) -> None:
    """The open ones with their cause; nothing is unsealed."""
    found = _run(_desk().listing(Wanted(topic, code, entity), limit=limit))
    console.print(_table(found))
    count, shown = found.open.total(), len(found.letters)
    first = f", the first {shown} shown (--limit, at most {LIST_MOST})" if count > shown else ""
    console.print(f"{count} open{first}", highlight=False)


@dead_letters.command()
def show(letter: Annotated[str, typer.Argument(help=NAME)]) -> None:
    """Cause and payload, secrets masked; this is audited."""
    shown = _run(_desk().show(_name(letter), _who()))
    typer.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())


@dead_letters.command(
    help="Send letters again to where they came from: by name, or by options the open ones,"
    f" at most {HANDLED_MOST} of them at once."
)
def replay(
    letters: Annotated[list[str] | None, typer.Argument(help=NAME)] = None,
    *,
    topic: Topic = None,
    code: Code = None,
    entity: Entity = None,
) -> None:
    desk, wanted, more = _desk(), Wanted(topic, code, entity), 0
    if bool(letters) == (wanted != Wanted()):
        end("name letters, or say which by --topic, --code, --entity")
    names = [_name(text) for text in letters or ()]
    if not names:
        found: Listing = _run(desk.listing(wanted, limit=HANDLED_MOST))
        names = [one.name for one in found.letters]
        more = found.open.total() - len(names)
    _report(_run(desk.replay(names, _who())), more=more)


@dead_letters.command()
def discard(letters: Letters, *, reason: Reason) -> None:
    """Take letters off the list for good; they stay in their topic for its time."""
    _report(_run(_desk().discard([_name(text) for text in letters], _who(), reason)))


def _desk() -> Desk:
    known = settings()
    logs.configure(known.log_format, "WARNING")
    graves = DeadLetterSealer([known.dead_letter_key.get_secret_value()])
    return Desk(known.kafka, graves, lambda: time.time_ns() // 1_000_000)


def _who() -> Who:
    return Who("command-line", getpass.getuser())


def _name(text: str) -> Name:
    try:
        return Name.parse(text)
    except WrongName as wrong:
        end(f"{text}: {wrong}")


def _run(work: Any) -> Any:
    try:
        with broker_needed(settings().kafka):
            return asyncio.run(work)
    except BROKEN as error:
        end(f"{type(error).__name__}: {error}")


def _table(found: Listing) -> Table:
    table = Table(*COLUMNS)
    for letter in found.letters:
        table.add_row(*_cells(letter))
    return table


def _cells(letter: Letter) -> list[str]:
    view = letter.view()
    return [str(view.get(name, "")) for name in COLUMNS]


def _report(outcomes: list[Outcome], *, more: int = 0) -> None:
    """Exit code 1 when any letter was refused; `more` are open that were not tried."""
    for one in outcomes:
        cause = f" {one.code}: {one.detail}" if one.code else ""
        console.print(f"{one.letter} {one.outcome}{cause}", highlight=False, markup=False)
    refused = sum(one.outcome == "refused" for one in outcomes)
    console.print(f"{len(outcomes) - refused} done, {refused} refused", highlight=False)
    if more:
        console.print(f"{more} more are open: repeat the command", style="yellow", highlight=False)
    raise typer.Exit(1 if refused else 0)
