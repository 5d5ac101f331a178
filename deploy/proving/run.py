"""One run of the fault suite: cluster, load, faults, then the judges."""

import asyncio
from pathlib import Path

import msgspec

from app.certificates.auditor import audit
from deploy.proving.chaos import Chaos
from deploy.proving.cluster import Cluster
from deploy.proving.judge import Verdict, events_of, judge
from deploy.proving.load import Load

WARM_S = 3.0
CALM_AGAIN_S = 90.0


class Outcome(msgspec.Struct):
    """`clean`: nothing lost, doubled, contradicted or different, and every end in time."""

    faults: dict[str, int]
    slow_ends: list[str]
    operations: int
    attempts: int
    unknown: int
    longest_wait_s: float
    transactions: int
    differences: int
    verdict: Verdict

    @property
    def clean(self) -> bool:
        return self.verdict.clean and not self.differences and not self.slow_ends


def prove(
    data: Path, *, faults: int, seed: int, workers: int = 3, tills: int = 8, certificates: int = 400
) -> Outcome:
    cluster = Cluster(data, workers=workers)
    cluster.start()
    try:
        return asyncio.run(
            _proven(cluster, faults=faults, seed=seed, tills=tills, certificates=certificates)
        )
    finally:
        cluster.stop()


async def _proven(
    cluster: Cluster, *, faults: int, seed: int, tills: int, certificates: int
) -> Outcome:
    await cluster.ready()
    load = Load(cluster, certificates=certificates, seed=seed)
    chaos = Chaos(cluster, seed=seed)
    running = asyncio.create_task(load.run(tills))
    try:
        await asyncio.sleep(WARM_S)
        await chaos.run(faults=faults)
        await cluster.ready(CALM_AGAIN_S)
    finally:
        load.stop()
    await running
    return await _judged(cluster, load, chaos)


async def _judged(cluster: Cluster, load: Load, chaos: Chaos) -> Outcome:
    audited = await audit(cluster.broker.bootstrap)
    events = await events_of(cluster.broker.bootstrap)
    history = load.history
    return Outcome(
        dict(chaos.done),
        chaos.slow_ends,
        len(history.operations),
        sum(operation.attempts for operation in history.operations),
        history.unknown,
        max(history.longest_wait_s.values(), default=0.0),
        len(events),
        audited.difference_count,
        judge(history, events),
    )
