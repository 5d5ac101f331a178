"""`python -m app marking …` and `… users …`: thin clients of the HTTP API, and the first admin."""

import asyncio
import secrets
import time
import uuid
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from app.marking import people
from app.marking.database import connect
from app.marking.errors import MarkingError

marking = typer.Typer(no_args_is_help=True, help="Orders of marking codes, by the HTTP API.")
users = typer.Typer(no_args_is_help=True, help="People of the marking console.")
console = Console()
PREFIX = "/api/v1/marking"
ENDED = frozenset({"COMPLETED", "CANCELLED", "DOC_REJECTED", "DECLINED"})
SHORTEST_PASSWORD = 10

Url = Annotated[str, typer.Option(envvar="GIFTMARK_SERVICES_URL", help="The services worker.")]
ApiKey = Annotated[str, typer.Option(envvar="GIFTMARK_MARKING_KEY", help="Key of your user.")]
HERE = "http://127.0.0.1:8081"


class Api:
    """Calls with a key; a refusal is told in the words of the service and ends the command."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(
            base_url=url + PREFIX, headers=headers, timeout=60, trust_env=False
        )

    def get(self, path: str, **query: Any) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        return self._told(lambda: self._http.get(path, params=given)).json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._told(lambda: self._http.post(path, json=body, headers=headers)).json()

    def file(self, path: str) -> bytes:
        return self._told(lambda: self._http.get(path)).content

    def _told(self, ask: Any) -> httpx.Response:
        try:
            answer: httpx.Response = ask()
        except httpx.TransportError as error:
            console.print(f"no answer: {type(error).__name__}", style="red")
            raise typer.Exit(2) from None
        if not answer.is_success:
            show_problem(answer)
            raise typer.Exit(1)
        return answer


def show_problem(answer: httpx.Response) -> None:
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    problem = answer.json() if is_problem else {}
    title = problem.get("title", f"HTTP {answer.status_code}")
    console.print(f"{title}: {problem.get('detail', '')}", style="red", highlight=False)
    for error in problem.get("errors", ()):
        console.print(f"  {error['pointer']}: {error['text']}", highlight=False)


@marking.command()
def order(
    gtin: Annotated[list[str], typer.Argument(help="GTIN or GTIN:QUANTITY, up to ten.")],
    *,
    participant: Annotated[str | None, typer.Option(help="Id; needed with several.")] = None,
    external_id: Annotated[str | None, typer.Option(help="Your own number.")] = None,
    profile: Annotated[str | None, typer.Option()] = None,
    wait: Annotated[bool, typer.Option(help="Follow it to its end.")] = False,
    url: Url = HERE,
    key: ApiKey = "",
) -> None:
    """Order codes; prints the new order."""
    api, lines = Api(url, key), []
    for word in gtin:
        code, _, count = word.partition(":")
        lines.append({"gtin": code, "quantity": int(count) if count.isdecimal() else 1})
    body: dict[str, Any] = {"lines": lines}
    given = {"participant_id": participant, "external_id": external_id, "profile": profile}
    body |= {name: value for name, value in given.items() if value is not None}
    made = api.post("/orders", body)
    console.print(made["id"], made["status"], highlight=False)
    if wait:
        follow(api, made["id"])


def follow(api: Api, order_id: str) -> None:
    """Prints every status until the order ends or waits for a person."""
    told = ""
    while True:
        shown = api.get(f"/orders/{order_id}")
        line = status_line(shown)
        if line != told:
            console.print(line, highlight=False)
            told = line
        if shown["status"] in ENDED or (shown["hold"] or {}).get("kind") == "attention":
            return
        time.sleep(0.5)


def status_line(shown: dict[str, Any]) -> str:
    hold = f"  [{shown['hold']['text']}]" if shown["hold"] else ""
    counts = f"{shown['stored']}/{shown['quantity']}"
    return f"{shown['status']:<15} {shown['status_text']}, {counts}{hold}"


@marking.command()
def status(order_id: str, *, url: Url = HERE, key: ApiKey = "") -> None:
    """One order: its state, lines and what happened to it."""
    api = Api(url, key)
    shown = api.get(f"/orders/{order_id}")
    console.print(status_line(shown), highlight=False, markup=False)
    console.print(lines_table(shown))
    happened = Table("when", "what", "status")
    for entry in api.get(f"/orders/{order_id}/timeline", limit=200)["items"]:
        move = entry["to_status"] or ""
        happened.add_row(entry["at"][:19].replace("T", " "), entry["action"], move)
    console.print(happened)
    console.print("may:", ", ".join(shown["actions"]) or "nothing", highlight=False)


def lines_table(shown: dict[str, Any]) -> Table:
    table = Table("GTIN", "goods", "codes", "buffer", "reason")
    for line in shown["lines"]:
        counts = f"{line['stored']}/{line['quantity']}"
        reason = line["rejection_reason"] or ""
        table.add_row(line["gtin"], line["name"] or "", counts, line["buffer"] or "", reason)
    return table


@marking.command()
def orders(
    *,
    status: Annotated[str | None, typer.Option()] = None,
    hold: Annotated[str | None, typer.Option()] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    url: Url = HERE,
    key: ApiKey = "",
) -> None:
    """The newest orders of your organisations."""
    table = Table("order", "external id", "created", "status", "codes", "hold")
    for one in Api(url, key).get("/orders", status=status, hold=hold, limit=limit)["items"]:
        counts = f"{one['stored']}/{one['quantity']}"
        held = (one["hold"] or {}).get("kind", "")
        created, number = one["created_at"][:19].replace("T", " "), one["external_id"] or ""
        table.add_row(one["id"], number, created, one["status"], counts, held)
    console.print(table)


@marking.command()
def codes(
    order_id: str,
    gtin: str,
    out: Annotated[Path, typer.Option(help="File to write.")],
    *,
    count: Annotated[int, typer.Option("--next", min=1, help="Codes never issued.")] = 1,
    kind: Annotated[str, typer.Option(help="txt or csv")] = "txt",
    url: Url = HERE,
    key: ApiKey = "",
) -> None:
    """Issue the next codes of a line as a file."""
    _issue(Api(url, key), order_id, {"kind": kind, "gtin": gtin, "next": count}, out=out)


@marking.command()
def label(
    order_id: str,
    gtin: str,
    out: Annotated[Path, typer.Option(help="PDF to write.")],
    *,
    count: Annotated[int, typer.Option("--next", min=1, max=2_000)] = 1,
    size: Annotated[str, typer.Option(help="58x40, 58x30, 43x25, 30x20, a4-24")] = "58x40",
    url: Url = HERE,
    key: ApiKey = "",
) -> None:
    """Print labels of the next codes of a line."""
    body = {"kind": "pdf", "gtin": gtin, "next": count, "label": {"format": size}}
    _issue(Api(url, key), order_id, body, out=out)


def _issue(api: Api, order_id: str, body: dict[str, Any], *, out: Path) -> None:
    issue = api.post(f"/orders/{order_id}/issues", body)
    out.write_bytes(api.file(f"/issues/{issue['id']}/file"))
    console.print(f"{issue['count']} codes in {out}", highlight=False)


@users.command()
def add(
    login: str,
    database: Annotated[str, typer.Option(envvar=["GIFTMARK_DATABASE_URL", "DATABASE_URL"])],
    *,
    admin: Annotated[bool, typer.Option(help="May manage users and organisations.")] = False,
    email: Annotated[str | None, typer.Option()] = None,
    key: Annotated[bool, typer.Option(help="Make an API key too.")] = False,
) -> None:
    """A new user; the password, and the key if asked for, are printed once."""
    try:
        password, made = asyncio.run(_add(database, login, email=email, admin=admin, key=key))
    except MarkingError as refusal:
        console.print(refusal.text, style="red")
        raise typer.Exit(1) from None
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
