"""`python -m app marking …`: a thin client of the HTTP API."""

import time
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from app.domain.marking.order import Hold, Profile

marking = typer.Typer(no_args_is_help=True, help="Orders of marking codes, by the HTTP API.")
console = Console()
PREFIX = "/api/v1/marking"
COMPLETED = "COMPLETED"
ENDED = frozenset({COMPLETED, "CANCELLED", "DOC_REJECTED", "DECLINED"})
PERSONS = {
    "attention": "an operator: put right what it names, then `marking do ORDER retry`",
    "sign_in": "a person who signs in, in the console",
    "signature": "a signature in the cabinet of the station",
}
FOLLOW_S = 0.5
ANSWER_S = 60.0

KEY = "GIFTMARK_MARKING_KEY"
NO_KEY = "your key is needed; an administrator makes one by `users add LOGIN --key`"

Url = Annotated[str, typer.Option(envvar="GIFTMARK_SERVICES_URL", help="The services worker.")]
ApiKey = Annotated[str, typer.Option(envvar=KEY, help="Key of your user.")]
Gtin = Annotated[str, typer.Argument(help="GTIN of the line.")]
OrderId = Annotated[str, typer.Argument(help="Id of the order.")]
HERE = "http://127.0.0.1:8081"


class Action(StrEnum):
    """What can be asked for in a word; the rest takes forms of the console."""

    CANCEL = "cancel"
    RETRY = "retry"
    CLOSE = "close"
    GIVE_UP = "give-up"
    INTRODUCE = "introduce"
    FINISH = "finish"
    REORDER_REJECTED = "reorder-rejected"


COUNTED = {Action.CLOSE: "expected_annulled", Action.GIVE_UP: "expected_lost"}


class Api:
    """Calls with a key; a refusal is told in the words of the service and ends the command."""

    def __init__(self, url: str, key: str) -> None:
        if not key.strip():
            raise typer.BadParameter(NO_KEY, param_hint=f"--key, {KEY}")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key.strip()}"}

    def get(self, path: str, **query: Any) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        return self._told("GET", path, params=given).json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        once = {"Idempotency-Key": str(uuid.uuid4())}
        return self._told("POST", path, headers=self._headers | once, json=body).json()

    def file(self, path: str) -> bytes:
        return self._told("GET", path).content

    def _told(self, method: str, path: str, **more: Any) -> httpx.Response:
        asked: dict[str, Any] = {"headers": self._headers, "timeout": ANSWER_S, **more}
        try:
            answer = httpx.request(method, self._url + PREFIX + path, trust_env=False, **asked)
        except httpx.TransportError as error:
            console.print(f"no answer from {self._url}: {type(error).__name__}", style="red")
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
    profile: Annotated[str | None, typer.Option(help=" or ".join(Profile))] = None,
    wait: Annotated[
        bool, typer.Option(help="Follow it until it ends or waits for a person; 0: COMPLETED.")
    ] = False,
    url: Url = HERE,
    key: ApiKey = "",
) -> None:
    """Order codes; prints the new order."""
    api = Api(url, key)
    body: dict[str, Any] = {"lines": [ordered_line(word) for word in gtin]}
    given = {"participant_id": participant, "external_id": external_id, "profile": profile}
    body |= {name: value for name, value in given.items() if value is not None}
    made = api.post("/orders", body)
    console.print(made["id"], made["status"], highlight=False)
    if wait:
        raise typer.Exit(0 if follow(api, made["id"]) else 1)


def ordered_line(word: str) -> dict[str, Any]:
    gtin, colon, count = word.partition(":")
    if colon and not (count.isascii() and count.isdecimal()):
        raise typer.BadParameter(f"{word} is neither GTIN nor GTIN:QUANTITY", param_hint="GTIN")
    return {"gtin": gtin, "quantity": int(count) if colon else 1}


def follow(api: Api, order_id: str) -> bool:
    """Prints every status until the order ends or waits for a person; whether it is complete."""
    told = ""
    while True:
        shown = api.get(f"/orders/{order_id}")
        line = status_line(shown)
        if line != told:
            console.print(line, highlight=False, markup=False)
            told = line
        waits_for = person_waited_for(shown)
        if waits_for:
            console.print(f"waits for {waits_for}", style="yellow", highlight=False)
            return False
        if shown["status"] in ENDED:
            return bool(shown["status"] == COMPLETED)
        time.sleep(FOLLOW_S)


def person_waited_for(shown: dict[str, Any]) -> str | None:
    """Who has to act before the order goes on; None while it goes on by itself."""
    if "introduce" in shown["actions"]:
        return "an operator: `marking do ORDER introduce` or `finish`"
    return PERSONS.get((shown["hold"] or {}).get("kind", ""))


def status_line(shown: dict[str, Any]) -> str:
    hold = f"  [{shown['hold']['text']}]" if shown["hold"] else ""
    counts = f"{shown['stored']}/{shown['quantity']}"
    return f"{shown['status']:<15} {shown['status_text']}, {counts}{hold}"


@marking.command()
def status(order_id: OrderId, *, url: Url = HERE, key: ApiKey = "") -> None:
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
    if set(shown["actions"]) & set(Action):
        console.print("how: `marking do --help`", highlight=False)


@marking.command()
def do(
    order_id: OrderId,
    action: Annotated[Action, typer.Argument(help="One that `marking status` says it may.")],
    *,
    lost: Annotated[
        int | None,
        typer.Option(min=0, help="For close and give-up: how many codes you know to be lost."),
    ] = None,
    url: Url = HERE,
    key: ApiKey = "",
) -> None:
    """Cancel an order, retry what stopped, close, …; correcting and withdrawing: the console."""
    shown = Api(url, key).post(f"/orders/{order_id}/{action}", body_of(action, lost))
    console.print(shown["id"], shown["status"], highlight=False)


def body_of(action: Action, lost: int | None) -> dict[str, Any]:
    """What is lost has to be named: an operator who sees another number is refused."""
    count = COUNTED.get(action)
    if (lost is None) != (count is None):
        raise typer.BadParameter(f"belongs to {' and '.join(COUNTED)}", param_hint="--lost")
    if count is None:
        return {}
    return {count: lost} | ({"waive_remaining": True} if action is Action.CLOSE else {})


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
    status: Annotated[str | None, typer.Option(help="In this status only: INIT, …")] = None,
    hold: Annotated[str | None, typer.Option(help=f"Held only: {', '.join(Hold)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most that many.")] = 50,
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


def _in_a_folder(out: Path) -> Path:
    """Asked before codes are issued for a file that cannot be written."""
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.parent}")
    return out


@marking.command()
def codes(
    order_id: OrderId,
    gtin: Gtin,
    out: Annotated[
        Path, typer.Option(dir_okay=False, callback=_in_a_folder, help="File to write.")
    ],
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
    order_id: OrderId,
    gtin: Gtin,
    out: Annotated[Path, typer.Option(dir_okay=False, callback=_in_a_folder, help="PDF to write.")],
    *,
    count: Annotated[int, typer.Option("--next", min=1, max=2_000, help="Codes never issued.")] = 1,
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
