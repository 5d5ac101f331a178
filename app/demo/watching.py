"""Follows the public state topics, as any other system of the retailer would."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer

from app.contracts.topics import ORDER_STATE, STATE
from app.kafka_access import KafkaAccess


class Event(msgspec.Struct, frozen=True):
    sequence: int
    data: dict[str, Any]


_decode = msgspec.json.Decoder(Event).decode


class Watch:
    """The newest state per certificate and order; `until` waits for a condition on it."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self.certificates: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self._consumer = kafka.client(
            AIOKafkaConsumer,
            STATE,
            ORDER_STATE,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """False when it did not come true in time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await self._step()
        return True

    async def _step(self) -> None:
        for tp, records in (await self._consumer.getmany(timeout_ms=200)).items():
            known = self.certificates if tp.topic == STATE else self.orders
            for record in records:
                known[record.key.decode()] = _decode(record.value).data
