"""A worker of its own process that ends at a named point: `python crashing_worker.py '{…}'`."""

import asyncio
import sys
from typing import Literal

import httpx
import msgspec

from app.domain.marking.draft import DraftLine, OrderDraft
from app.marking import idempotency
from app.marking.database import Transaction
from app.marking.desk import Desk
from app.marking.due_polls import publish_due_polls
from app.marking.flow import OrderFlow
from app.marking.issues import IssueKind
from app.marking.issuing import IssueRequest, reserve
from app.marking.queue import sweep
from app.marking.runner import Runner
from app.marking.store import OrderRow
from app.marking.work import WorkMessage
from deploy.sandbox.driver import Player
from tests.flows.marking.rig import SandboxSigners, open_desk

LOCK_MS = 2_000


class Task(msgspec.Struct):
    """`act`: what the process does; `by` and `order_id`: for whom, and of which order."""

    dsn: str
    origin: str
    inn: str
    crash_at: str
    act: Literal["work", "order", "issue"] = "work"
    by: str = ""
    order_id: str = ""
    gtin: str = ""
    quantity: int = 0
    owner: str = "w1/crashing"
    key: str = "once"


async def place(desk: Desk, *, by: str, gtin: str, quantity: int, key: str) -> str | None:
    """The order of this idempotency key, as the API makes it; None: another process holds it."""
    of = idempotency.fingerprint("POST", "/orders", f"{gtin} {quantity}".encode())
    found = await idempotency.take(desk.database, by, key, of=of, lock_ms=LOCK_MS)
    if isinstance(found, idempotency.Replay):
        return str(found.body)
    if not isinstance(found, idempotency.Held):
        return None
    held = found

    async def record(tx: Transaction, rows: list[OrderRow]) -> None:
        await idempotency.keep(tx, held, status=201, body=rows[0].id)

    draft = OrderDraft(lines=(DraftLine(gtin, quantity),))
    row = await OrderFlow(desk).start_order_flow(by, gtin, draft=draft, record=record)
    return row.id


async def act(desk: Desk, runner: Runner, task: Task) -> None:
    if task.act == "order":
        await place(desk, by=task.by, gtin=task.gtin, quantity=task.quantity, key=task.key)
    if task.act == "issue":
        request = IssueRequest(kind=IssueKind.TXT, gtin=task.gtin, next=task.quantity)
        await reserve(desk, task.order_id, request=request, by=task.by)
    while task.act == "work":
        await publish_due_polls(desk)
        await sweep(desk)
        await runner.idle()
        await asyncio.sleep(0.02)


async def main(task: Task) -> None:
    runners: list[Runner] = []

    async def publish(_topic: str, message: WorkMessage) -> None:
        runners[0].accept(message)

    with httpx.Client(base_url=task.origin, timeout=30) as http:
        desk = await open_desk(
            task.dsn,
            task.origin,
            signers=SandboxSigners(Player(http, task.inn)),
            publish=publish,
            owner=task.owner,
            marking_crash_at=task.crash_at,
        )
        runners.append(Runner(desk))
        await asyncio.wait_for(act(desk, runners[0], task), 40)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Task)))
