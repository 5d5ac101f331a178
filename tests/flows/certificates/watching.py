"""Reads the public topics and the dead letters as any other system would, from now on."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from app.contracts.topics import (
    COMMANDS,
    INBOUND,
    NOTIFICATIONS,
    PUBLISHED,
    TRANSACTION,
    dead_letters_of,
)

DEAD = tuple(dead_letters_of(topic) for topic in (*INBOUND, COMMANDS, NOTIFICATIONS))
POLL_MS = 100


class Seen(msgspec.Struct, frozen=True):
    """One record; `message` is the decoded envelope, empty for dead letters."""

    topic: str
    key: str
    value: bytes
    headers: dict[str, str]
    message: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.message.get("id", ""))

    @property
    def sequence(self) -> int:
        return int(self.message["sequence"])

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.message["data"]
        return found


class Watch:
    """Everything published since `start`, repetitions included."""

    def __init__(self, bootstrap: str) -> None:
        self.seen: list[Seen] = []
        self._last: dict[tuple[str, str], Seen] = {}
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50
        )

    async def start(self) -> None:
        await self._consumer.start()
        names = [*PUBLISHED, *DEAD]
        tps = [
            TopicPartition(name, number)
            for name in names
            for number in await self._partitions(name)
        ]
        self._consumer.assign(tps)
        for tp, end in (await self._consumer.end_offsets(tps)).items():
            self._consumer.seek(tp, end)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def step(self) -> None:
        """Takes what has come, waiting a little if nothing has."""
        for tp, records in (await self._consumer.getmany(timeout_ms=POLL_MS)).items():
            for record in records:
                headers = {name: value.decode() for name, value in record.headers}
                message = {} if tp.topic in DEAD else msgspec.json.decode(record.value)
                key = record.key.decode()
                seen = Seen(tp.topic, key, record.value, headers, message)
                self.seen.append(seen)
                self._last[tp.topic, key] = seen

    async def until(
        self, condition: Callable[[], object], what: str, *, seconds: float = 90.0
    ) -> None:
        """Raises AssertionError with `what` when it does not come true in time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, f"not in {seconds:g} s: {what}"
            await self.step()

    async def quiet(self, seconds: float = 1.0) -> None:
        """Reads on until nothing has come for that long."""
        last, count = asyncio.get_running_loop().time(), len(self.seen)
        while asyncio.get_running_loop().time() - last < seconds:
            await self.step()
            if len(self.seen) != count:
                last, count = asyncio.get_running_loop().time(), len(self.seen)

    async def newest(
        self, topic: str, key: str, *, wanted: Mapping[str, Any], seconds: float
    ) -> Seen:
        """The last record of the key, once it shows all wanted members."""

        def shown() -> bool:
            seen = self.last(topic, key)
            return seen is not None and wanted.items() <= _plain(seen.data, wanted).items()

        await self.until(shown, f"{topic} of {key} with {wanted}", seconds=seconds)
        seen = self.last(topic, key)
        assert seen is not None
        return seen

    def last(self, topic: str, key: str) -> Seen | None:
        return self._last.get((topic, key))

    def all(self, topic: str, key: str | None = None) -> list[Seen]:
        """In the order of publishing; a repetition of the same id counts once."""
        found: dict[object, Seen] = {}
        for seen in self.seen:
            if seen.topic == topic and key in (None, seen.key):
                found.setdefault(seen.id or id(seen), seen)
        return list(found.values())

    def transactions(self, certificate_id: str) -> list[str]:
        """The types of the certificate's transactions, in order."""
        return [seen.data["transactionType"] for seen in self.all(TRANSACTION, certificate_id)]

    async def _partitions(self, topic: str) -> set[int]:
        """Metadata of a topic is loaded on its first use."""
        client = self._consumer._client  # aiokafka has no public way
        await client._wait_on_metadata(topic)
        return set(self._consumer.partitions_for_topic(topic) or ())


def _plain(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data.get(name) for name in wanted}
