"""Load on a cluster: waves of certificates by topics, tills that use them while they come."""

import asyncio
import base64
import random
import time
from collections import deque

import aiohttp
from aiokafka import AIOKafkaProducer

from app.contracts.topics import BATCHES, PAYMENTS, SALES
from app.demo.traffic import Line, Message, batch_messages, day
from app.domain.certificates.codes import Code, certificate_id, parse
from deploy.proving.cluster import Cluster, secrets_of
from deploy.proving.dead_letters import SPOILED
from deploy.proving.history import History
from deploy.proving.till import TIMEOUT, Till
from deploy.proving.watching import Watch

HOT = 10
HOT_SHARE = 0.25
FRESH_LEAST = 40
WAVE_S = 10.0
PIECE = 20
PIECE_PAUSE_S = 0.05
REMEMBERED = 200


class Load:
    """`wave`: certificates a wave issues; the half that is sold is what tills use, until worn.

    `asked`: the certificates that topics asked a type of transaction for, once each.
    """

    def __init__(self, cluster: Cluster, *, wave: int, seed: int) -> None:
        self.history = History()
        self.watch = Watch(cluster.partitions)
        self.sold: list[Line] = []
        self.spoiled = 0
        self.messages = 0
        self.asked: dict[str, set[str]] = {"Issued": set(), "Activated": set()}
        self.payments = 0
        self.recent: deque[tuple[str, Message]] = deque(maxlen=REMEMBERED)
        self._fresh: list[int] = []
        self._pepper = base64.b64decode(secrets_of(cluster.data)["code_pepper"])
        self._cluster = cluster
        self._wave = wave
        self._seed = seed
        self._rng = random.Random(seed)
        self._stop = asyncio.Event()

    async def run(self, tills: int) -> None:
        """Until `stop`: then every client finishes the operation it is at."""
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            made = [self._till(session) for _ in range(tills)]
            watchers = [self._watcher(session, n) for n in range(self._cluster.partitions)]
            await asyncio.gather(self._topics(), *map(self._work, made), *watchers)

    def stop(self) -> None:
        self._stop.set()

    @property
    def by_topics(self) -> int:
        """Operations: rows issued, lines sold, payments; repetitions do not count."""
        return len(self.asked["Issued"]) + len(self.sold) + self.payments

    @property
    def operations(self) -> int:
        """By HTTP and by topics together."""
        return len(self.history.operations) + self.by_topics

    async def send(self, producer: AIOKafkaProducer, pieces: list[tuple[str, Message]]) -> None:
        sent = [await producer.send(t, value, key.encode()) for t, (key, value) in pieces]
        await asyncio.gather(*sent)
        self.messages += len(pieces)
        self.spoiled += sum(key.endswith(SPOILED) for _, (key, _) in pieces)
        self.recent.extend(pieces)

    def producer(self) -> AIOKafkaProducer:
        address = self._cluster.broker.bootstrap
        return AIOKafkaProducer(bootstrap_servers=address, acks="all", request_timeout_ms=60_000)

    async def _topics(self) -> None:
        """A wave when the last one is worn, or after a while; all of it is sent at least once."""
        async with self.producer() as producer:
            while not self._stop.is_set():
                await self._send_wave(producer)
                due = time.monotonic() + WAVE_S
                while self._is_served(due):
                    await asyncio.sleep(PIECE_PAUSE_S)

    def _is_served(self, due: float) -> bool:
        waits = len(self._fresh) >= FRESH_LEAST and time.monotonic() < due
        return waits and not self._stop.is_set()

    async def _send_wave(self, producer: AIOKafkaProducer) -> None:
        self._seed += 1
        wave = day(self._wave, self._seed)
        messages: list[tuple[str, Message]] = [
            *((BATCHES, message) for message in batch_messages(wave, 25)),
            *((SALES, message) for message in wave.sales),
            *((PAYMENTS, message) for message in wave.payments),
        ]
        self.asked["Issued"].update(self._id(row["code"]) for row in wave.rows)
        self.asked["Activated"].update(self._id(line.code) for line in wave.sold)
        self.payments += len(set(wave.payments))
        first = len(self.sold)
        self.sold.extend(wave.sold)
        self._fresh.extend(range(first, len(self.sold)))
        for start in range(0, len(messages), PIECE):
            await self.send(producer, messages[start : start + PIECE])
            await asyncio.sleep(PIECE_PAUSE_S)

    def _id(self, code: str) -> str:
        known = parse(code)
        assert isinstance(known, Code)
        return certificate_id(known, self._pepper)

    def _till(self, session: aiohttp.ClientSession) -> Till:
        return Till(
            session,
            self._cluster,
            self.history,
            rng=self._rng,
            code_of=lambda card: self.sold[card].code,
        )

    async def _work(self, till: Till) -> None:
        while not self._stop.is_set():
            if not self._fresh:
                await asyncio.sleep(PIECE_PAUSE_S)
                continue
            is_hot = self._rng.random() < HOT_SHARE
            card = self._rng.choice(self._fresh[:HOT] if is_hot else self._fresh)
            if not await till.visit(card) and card in self._fresh:
                self._fresh.remove(card)
            await asyncio.sleep(self._rng.uniform(0, 0.01))

    async def _watcher(self, session: aiohttp.ClientSession, partition: int) -> None:
        """Reads one certificate of the partition over and over: when did it answer?"""
        till = self._till(session)
        while not self._stop.is_set():
            card = self.watch.card_of(partition)
            if card is None:
                await self._find_cards(till)
                continue
            began = time.monotonic()
            seen = await till.look(card, patience_s=0)
            if seen.is_answered:
                self.watch.answered(partition, began, seen.ended)
            await asyncio.sleep(PIECE_PAUSE_S)

    async def _find_cards(self, till: Till) -> None:
        await asyncio.sleep(PIECE_PAUSE_S)
        if not self.sold:
            return
        card = self._rng.randrange(len(self.sold))
        seen = await till.look(card)
        if seen.acknowledged:
            self.watch.found(card, seen.answer["certificateId"])
