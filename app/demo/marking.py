"""An order of marking codes from the catalogue to a label, on the running product."""

import asyncio
import secrets
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from app.domain.marking.code import gtin_check_digit, is_inn
from app.marking import people
from app.marking.database import connect

PREFIX = "/api/v1/marking"
LONGEST_S = 300.0
LINES = ((1, 20), (2, 10))
LABELS = 10
FINAL = frozenset({"COMPLETED", "CANCELLED", "DOC_REJECTED", "DECLINED"})


async def marking_demo(url: str, sandbox: str, dsn: str, *, folder: Path, console: Console) -> int:
    """0 when every code is here and the labels are written to `folder`; prints what happens."""
    began = time.monotonic()
    key = await _new_admin(dsn)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(base_url=url + PREFIX, headers=headers, timeout=60) as api,
        httpx.AsyncClient(base_url=sandbox, timeout=60) as emulator,
    ):
        participant = await _participant(api, emulator)
        lines = [{"gtin": _gtin(number), "quantity": count} for number, count in LINES]
        order = await _post(api, "/orders", {"participant_id": participant, "lines": lines})
        console.print(f"order {order['id']} of {order['quantity']} codes", highlight=False)
        order = await _follow(api, order["id"], began=began, console=console)
        console.print(_lines(order))
        whole = order["status"] == "COMPLETED" and order["stored"] == order["quantity"]
        if whole:
            await _labels(api, order, folder, console=console)
    return 0 if whole else 1


async def _new_admin(dsn: str) -> str:
    """An API key of a user of this run."""
    database = await connect(dsn, most=1)
    try:
        login, password = f"demo-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        user = await people.add_user(database, login, password, is_admin=True)
        return await people.add_key(database, user, "demo")
    finally:
        await database.close()


async def _participant(api: httpx.AsyncClient, emulator: httpx.AsyncClient) -> str:
    """A new organisation, known to the emulator and here, that signs by the demo key."""
    inn = _inn()
    answer = await emulator.post(f"/_sandbox/{inn}/reset", json={"seed": secrets.token_hex(8)})
    answer.raise_for_status()
    passport = answer.json()
    form = {name: passport[name] for name in ("inn", "name", "oms_id", "oms_connection")}
    form |= {"nk_apikey": passport["apikey"], "signer_kind": "demo"}
    return str((await _post(api, "/participants", form))["id"])


def _inn() -> str:
    body = f"77{secrets.randbelow(10_000_000):07d}"
    return next(f"{body}{digit}" for digit in range(10) if is_inn(f"{body}{digit}"))


def _gtin(number: int) -> str:
    body = f"046{number:010d}"
    return body + gtin_check_digit(body)


async def _post(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    if not answer.is_success:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    made: dict[str, Any] = answer.json()
    return made


async def _follow(
    api: httpx.AsyncClient, order_id: str, *, began: float, console: Console
) -> dict[str, Any]:
    """Tells every entry of the order's timeline until the order ends."""
    after = 0
    while True:
        entries = (await _read(api, f"/orders/{order_id}/timeline?limit=200&after={after}"))[
            "items"
        ]
        for entry in entries:
            after = entry["id"]
            _tell(entry, began=began, console=console)
        order = await _read(api, f"/orders/{order_id}")
        late = time.monotonic() - began > LONGEST_S
        if late or (order["status"] in FINAL and not entries):
            return order
        await asyncio.sleep(0.3)


async def _read(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await api.get(path)
    answer.raise_for_status()
    read: dict[str, Any] = answer.json()
    return read


def _tell(entry: dict[str, Any], *, began: float, console: Console) -> None:
    what = entry["action"]
    if entry["to_status"]:
        what = f"[bold]{entry['to_status']}[/]"
    elif what.startswith("call."):
        what = f"{what} {entry['details'].get('operation', '')}"
    console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {what}", highlight=False)


def _lines(order: dict[str, Any]) -> Table:
    table = Table("GTIN", "goods", "codes", "buffer", title=order["status_text"])
    for line in order["lines"]:
        counts = f"{line['stored']}/{line['quantity']}"
        table.add_row(line["gtin"], line["name"] or "", counts, line["buffer"] or "")
    return table


async def _labels(
    api: httpx.AsyncClient, order: dict[str, Any], folder: Path, *, console: Console
) -> None:
    body = {"kind": "pdf", "gtin": order["lines"][0]["gtin"], "next": LABELS}
    issue = await _post(api, f"/orders/{order['id']}/issues", body)
    answer = await api.get(f"/issues/{issue['id']}/file")
    answer.raise_for_status()
    path = folder / "marking-labels.pdf"
    path.write_bytes(answer.content)
    console.print(f"{LABELS} labels in {path}, each read back before it was drawn", highlight=False)
