"""The main job on real input, then an audit that trusts nobody: `python -m app demo`."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.progress import Progress

from app.certificates.auditor import audit, audit_table
from app.clients_store import bearer
from app.contracts.topics import BATCHES, PAYMENTS, SALES
from app.demo.till import Till
from app.demo.traffic import Day, Line, Message, batch_messages, day
from app.demo.watching import Watch
from app.kafka_access import KafkaAccess

WAIT_S = 120.0
TILLS = 16


class DemoFailed(RuntimeError):
    """The text says which step did not come to its end."""


async def demo(
    kafka: KafkaAccess, url: str, clients: Path, *, certificates: int = 1_000, console: Console
) -> int:
    """Number of differences that the audit found; raises DemoFailed and TokenMissing."""
    headers = {"Authorization": bearer(clients, "till")}
    made = day(certificates, seed=int(time.time()))
    started = time.monotonic()

    def told(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  {text}", highlight=False)

    async with Watch(kafka) as watch:
        await _send(kafka, {PAYMENTS: made.payments[::2]})
        await _send(kafka, {BATCHES: batch_messages(made)})
        rows = len(made.rows)
        await _reached(watch, lambda: _count(watch, made.batch_id) == rows, "batch issued")
        told(f"{rows:,} certificates issued from batch {made.batch_id}")
        await _send(kafka, {SALES: made.sales, PAYMENTS: made.payments[1::2]})
        await _reached(watch, lambda: _active(watch, made), "all sold certificates active")
        told(f"{made.orders:,} orders sold and paid in disorder: {len(made.sold):,} active")
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10) as client:
        till = Till(client, seed=made.orders)
        await _pay_all(till, made.sold, console)
    answers = ", ".join(f"{count} × {name}" for name, count in sorted(till.answers.items()))
    told(f"tills heard {answers}; {till.repeats} repeated")
    result = await audit(kafka)
    console.print(audit_table(result))
    console.print(f"audit: {result.difference_count} differences", highlight=False)
    return result.difference_count


async def _send(kafka: KafkaAccess, messages: dict[str, list[Message]]) -> None:
    producer = kafka.client(AIOKafkaProducer, acks="all", linger_ms=5)
    async with producer:
        sent = [
            await producer.send(topic, value, key.encode())
            for topic, all_of_it in messages.items()
            for key, value in all_of_it
        ]
        await asyncio.gather(*sent)


async def _reached(watch: Watch, condition: Callable[[], bool], what: str) -> None:
    if not await watch.until(condition, WAIT_S):
        raise DemoFailed(f"not reached within {WAIT_S:.0f} s: {what}")


def _count(watch: Watch, batch_id: str) -> int:
    return sum(state["batchId"] == batch_id for state in watch.certificates.values())


def _active(watch: Watch, made: Day) -> bool:
    lines = [
        line
        for order_id in {line.order_id for line in made.sold}
        for line in watch.orders.get(order_id, {}).get("lines", ())
    ]
    return len(lines) == len(made.sold) and all(
        line["allocationStatus"] == "Activated" for line in lines
    )


async def _pay_all(till: Till, sold: list[Line], console: Console) -> None:
    waiting = list(sold)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("paying", total=len(waiting))

        async def one_till() -> None:
            while waiting:
                await till.pay(waiting.pop())
                progress.advance(task)

        await asyncio.gather(*(one_till() for _ in range(TILLS)))
