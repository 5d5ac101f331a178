"""Rows of the till: authorize at fixed rates, at saturation, beside other work; event lag."""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from app.contracts.topics import COMMANDS, STATE
from app.domain.certificates.codes import RANDOM_BYTES, generate
from deploy.benching.day import Message
from deploy.benching.figures import Latency, latency
from deploy.benching.generator import Job
from deploy.benching.ground import PARTITIONS, Ground, RowFailed
from deploy.benching.tills import (
    LOOPBACK,
    OurTill,
    Server,
    Tills,
    command_for,
    drive,
    identified,
    issue,
)
from tables.partitioning import partition_of

RATES = (500, 1_000, 2_000)
CONNECTIONS = (16, 64)
MIXED_RATE = 500
LAG_RATE = 200
MOST_PER_S = 8_000
SEEN_S = 20.0
WARM_S = 2.0


async def at_rate(server: Server, tills: Tills, rate: int, *, seconds: float) -> Latency:
    """Open loop over 64 connections; latency counts from when a request was due."""
    job = Job(LOOPBACK, 0, rate, CONNECTIONS[-1], seconds, [])
    return await _driven(server, tills, job, count=int(rate * seconds))


async def saturated(server: Server, tills: Tills, connections: int, *, seconds: float) -> Latency:
    """Each connection sends its next request when it has its answer."""
    job = Job(LOOPBACK, 0, 0, connections, seconds, [])
    return await _driven(server, tills, job, count=int(MOST_PER_S * seconds))


async def warmed(server: Server, tills: Tills) -> None:
    """Code paths, pools and caches before anything counts."""
    await saturated(server, tills, CONNECTIONS[0], seconds=WARM_S)


async def _driven(server: Server, tills: Tills, job: Job, *, count: int) -> Latency:
    load = os.getloadavg()[0]
    outcome, cpu_s = await drive(server, tills.bodies(count), job)
    name = f"authorize, {server.name}"
    found = latency(name, outcome.taken_s, rate=job.rate, connections=job.connections)
    found.per_s = found.done / outcome.wall_s
    found.failures = sum(n for status, n in outcome.statuses.items() if status != "201")
    found.server_cpu_s, found.load = cpu_s, load
    if found.failures > found.done // 2:
        raise RowFailed(f"most answers were refusals: {outcome.statuses}")
    return found


async def mixed(
    server: OurTill, tills: Tills, ground: Ground, *, commands: int, seconds: float
) -> Latency:
    """The same rate while the ledger works through a load of commands from the topic."""
    await ground.load(COMMANDS, fresh_issues(server, commands, label="mixed"))
    found = await at_rate(server, tills, MIXED_RATE, seconds=seconds)
    found.name += ", topic load beside it"
    return found


def fresh_issues(server: OurTill, count: int, *, label: str) -> list[Message]:
    """Commands for certificates that nobody has heard of."""
    rng = random.Random(f"{label}{time.monotonic_ns()}")
    codes = [generate(rng.randbytes(RANDOM_BYTES)) for _ in range(count)]
    return [
        command_for(identified(code, server.pepper), issue(code, row), f"{label}/{row}")
        for row, code in enumerate(codes)
    ]


async def event_lag(server: OurTill, ground: Ground, *, seconds: float) -> Latency:
    """From a command's append to its GiftCertificateState in a consumer's hands."""
    messages = fresh_issues(server, int(LAG_RATE * seconds), label="lag")
    bootstrap = ground.broker.bootstrap
    consumer = AIOKafkaConsumer(STATE, bootstrap_servers=bootstrap, fetch_max_wait_ms=50)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    async with producer, consumer:
        await consumer.seek_to_end()
        wanted = {key for key, _ in messages}
        watching, sending = _watch(consumer, wanted), _send_steadily(producer, messages)
        seen, sent = await asyncio.gather(watching, sending)
    lags = [seen[key] - at for key, at in sent.items() if key in seen]
    found = latency("command to GiftCertificateState", lags, rate=LAG_RATE, connections=1)
    found.per_s, found.failures = float(LAG_RATE), len(sent) - len(lags)
    return found


async def _send_steadily(
    producer: AIOKafkaProducer, messages: Sequence[Message]
) -> dict[bytes, float]:
    began, sent = time.perf_counter(), {}
    for n, (key, value) in enumerate(messages):
        await asyncio.sleep(max(0.0, began + n / LAG_RATE - time.perf_counter()))
        sent[key] = time.perf_counter()
        partition = partition_of(key.decode(), PARTITIONS)
        await producer.send(COMMANDS, value, key, partition=partition)
    return sent


async def _watch(consumer: AIOKafkaConsumer, wanted: set[bytes]) -> dict[bytes, float]:
    """When each key was first seen; gives up when nothing new comes."""
    seen: dict[bytes, float] = {}
    last = time.perf_counter()
    while len(seen) < len(wanted) and time.perf_counter() - last < SEEN_S:
        fetched = await consumer.getmany(timeout_ms=200)
        at = time.perf_counter()
        for record in itertools.chain.from_iterable(fetched.values()):
            if record.key in wanted and record.key not in seen:
                seen[record.key] = last = at
    return seen
