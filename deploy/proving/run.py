"""One run of the fault suite: cluster, load, faults, then the judges."""

import asyncio
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from app.certificates.auditor import audit
from app.certificates.database import Database
from app.certificates.reconcile import reconcile
from app.contracts import wire
from app.embedded_postgres import PostgresServer
from app.kafka_access import KafkaAccess
from app.migrations import migrate
from deploy.proving.books import Balance, Books, Kept, balanced, kept, read_books
from deploy.proving.chaos import Chaos
from deploy.proving.dead_letters import Buried, buried
from deploy.proving.faults import FAULTS
from deploy.proving.judge import Verdict, judge
from deploy.proving.links import LinkedCluster
from deploy.proving.load import Load
from deploy.proving.scene import Scene

Told = Callable[[str], None]
WARM_S = 3.0
CALM_AGAIN_S = 90.0
NEWS_S = 10.0
# A line that came before its certificate asks again soon, so that the run can see its end.
SAGA_RETRY_S = (1, 2, 5, 10, 20, *(40,) * 600)


class Plan(msgspec.Struct, frozen=True):
    """`minutes`: after which no other fault begins; `wave`: certificates issued at a time.

    `kinds`: of faults.
    """

    faults: int
    seed: int
    workers: int = 3
    tills: int = 8
    wave: int = 200
    minutes: float = math.inf
    kinds: tuple[str, ...] = tuple(FAULTS)


class Outcome(msgspec.Struct):
    """`clean`: nothing lost, doubled, created or unexplained, and every end in time."""

    faults: dict[str, int]
    exits: dict[int, int]
    operations: int
    by_topics: int
    requests: int
    messages: int
    unknown: int
    repetitions: int
    spoiled: int
    buried: Buried
    longest_wait_s: float
    takeovers_s: list[float]
    no_takeover: int
    slow_ends: list[str]
    verdict: Verdict
    balance: Balance
    kept: Kept
    audit_differences: int
    mart_differences: int
    seconds: float

    @property
    def not_buried(self) -> int:
        return max(0, self.spoiled - self.buried.spoiled)

    @property
    def clean(self) -> bool:
        differences = self.audit_differences + self.mart_differences
        missing = self.no_takeover + self.not_buried + self.buried.good + len(self.slow_ends)
        judged = self.verdict.clean and self.balance.clean and self.kept.clean
        return judged and not differences and not missing


def prove(data: Path, plan: Plan, *, told: Told = lambda _text: None) -> Outcome:
    """`told` hears how far the run is."""
    database = PostgresServer(data / "postgres", durable=False)
    try:
        dsn = database.start()
        migrate(dsn)
        settings = {"GIFTMARK_POLICY": json.dumps({"saga_retry_s": SAGA_RETRY_S})}
        cluster = LinkedCluster(
            data, workers=plan.workers, spares=1, database=dsn, settings=settings
        )
        try:
            cluster.start()
            return asyncio.run(_proven(cluster, database, plan=plan, told=told))
        finally:
            cluster.stop()
    finally:
        database.stop()


async def _proven(
    cluster: LinkedCluster, database: PostgresServer, *, plan: Plan, told: Told
) -> Outcome:
    await cluster.ready()
    began = time.monotonic()
    load = Load(cluster, wave=plan.wave, seed=plan.seed)
    scene = Scene(cluster, database, load, random.Random(plan.seed))
    chaos = Chaos(scene, told, kinds=plan.kinds)
    async with asyncio.TaskGroup() as together:
        together.create_task(load.run(plan.tills))
        await asyncio.sleep(WARM_S)
        await chaos.run(faults=plan.faults, until=began + 60 * plan.minutes)
        await cluster.ready(CALM_AGAIN_S)
        load.stop()
    with _knowing(scene.schema):
        return await _judged(scene, chaos, time.monotonic() - began)


@contextmanager
def _knowing(schema: int) -> Iterator[None]:
    """Judges can read what workers of a later version wrote."""
    wire.SCHEMA += schema
    wire.STATE_SCHEMA += schema
    yield
    wire.SCHEMA -= schema
    wire.STATE_SCHEMA -= schema


async def _judged(scene: Scene, chaos: Chaos, seconds: float) -> Outcome:
    """First all is done that topics asked for, then the audit waits until all is published."""
    bootstrap, load = scene.cluster.broker.bootstrap, scene.load
    await _done(bootstrap, load)
    audited = await audit(KafkaAccess(bootstrap))
    mart = Database(scene.database.dsn())
    try:
        reconciled = await reconcile(KafkaAccess(bootstrap), mart)
    finally:
        await mart.close()
    books, history = await read_books(bootstrap), load.history
    nominals = [line.nominal for line in load.sold]
    return Outcome(
        faults=dict(chaos.done),
        exits=dict(chaos.exits),
        operations=len(history.operations),
        by_topics=load.by_topics,
        requests=history.attempts,
        messages=load.messages,
        unknown=history.unknown,
        repetitions=history.repetitions,
        spoiled=load.spoiled,
        buried=await buried(bootstrap),
        longest_wait_s=max(history.longest_wait_s.values(), default=0.0),
        takeovers_s=scene.takeovers_s,
        no_takeover=scene.no_takeover,
        slow_ends=scene.slow_ends,
        verdict=judge(history, nominals, books.events.values()),
        balance=balanced(books),
        kept=kept(books, load.asked),
        audit_differences=audited.difference_count,
        mart_differences=len(reconciled.differences) + reconciled.behind,
        seconds=seconds,
    )


async def _done(bootstrap: str, load: Load) -> None:
    """Back when everything is there, or nothing more comes; which of them, the judge says."""
    books, seen = Books(), -1
    while kept(books, load.asked).lost and len(books.events) > seen:
        seen = len(books.events)
        await asyncio.sleep(0 if seen == 0 else NEWS_S)
        books = await read_books(bootstrap)
