"""The hands of an operator of dead letters: the list, the calls, the commands, the topics."""

import asyncio
import subprocess
import sys
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from app.certificates.audit_reading import partitions_of
from app.kafka_access import KafkaAccess
from deploy.proving.cluster import CHECKOUT
from tests.flows.certificates.town import Town

ACTOR = {"Actor": "anna"}


async def listed(town: Town, entity: str, *, count: int = 1) -> list[dict[str, Any]]:
    """The open letters about that entity, once there are so many."""
    deadline = asyncio.get_running_loop().time() + 20
    while True:
        answer = await call(town, "GET", "", params={"entity": entity})
        letters: list[dict[str, Any]] = answer.json()["letters"]
        if len(letters) == count:
            return letters
        assert asyncio.get_running_loop().time() < deadline, letters
        await asyncio.sleep(0.2)


async def call(town: Town, method: str, path: str, **request: Any) -> httpx.Response:
    (services,) = town.cluster.services
    url = f"http://127.0.0.1:{services.internal}/dead-letters{path}"
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.request(method, url, headers=ACTOR, **request)


async def acted(town: Town, what: str, *letters: str, **more: str) -> list[tuple[str, str | None]]:
    """Outcome and code of each letter."""
    answer = await call(town, "POST", f"/{what}", json={"letters": letters, **more})
    assert answer.status_code == 200, answer.text
    return [(one["outcome"], one.get("code")) for one in answer.json()["letters"]]


async def command_line(town: Town, *words: str) -> tuple[int, str]:
    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app", "dead-letters", *words]
        env = town.cluster.env | {"COLUMNS": "400"}
        return subprocess.run(
            command, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False
        )

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout + done.stderr


async def whole(town: Town, topic: str) -> list[Any]:
    """All records of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=town.bootstrap, auto_offset_reset="earliest")
    async with consumer:
        numbers = await partitions_of(KafkaAccess(town.bootstrap), topic)
        tps = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(tps)
        ends, found = await consumer.end_offsets(tps), []
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return found
