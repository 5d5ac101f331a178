"""From foreign messages to commands to the journal to public topics: every hop can die."""

import random
from collections import defaultdict
from typing import Any

import msgspec

from app.certificates.batch_rows import BadRow
from app.certificates.inbound import Amounts, Fault, NotOurs
from app.certificates.intake_batch import BatchIntake
from app.certificates.intake_payments import PaymentsIntake
from app.certificates.intake_sales import SalesIntake
from app.certificates.publishing import Publisher
from app.certificates.sealing import ContentMacs, DeadLetterSealer, Sealer
from app.contracts import wire
from app.contracts.topics import BATCHES, COMMANDS, NOTIFICATIONS, PAYMENTS, SALES
from app.domain.certificates.commands import Origin
from app.domain.certificates.entities import CERTIFICATE, ORDER
from app.domain.policy import Policy
from deploy.simulation.laws import checked
from deploy.simulation.owner import Crash, Owner, Request
from deploy.simulation.post import Broken, Lane, Public
from tables.entities import Registry
from tables.partitioning import partition_of

PARTITIONS = 2
PEPPER = b"p" * 32
KEY = b"k" * 32
_pack = msgspec.msgpack.Encoder().encode
Letter = tuple[str, str, bytes]

_REGISTRY = Registry(checked())
_MACS = ContentMacs(PEPPER)
_SEALER = Sealer([KEY])
_AMOUNTS = Amounts("minor")
_GRAVES = DeadLetterSealer([KEY])


class Pipeline:
    """`now` is the only clock; `dice` decides what dies and in which order lanes are served."""

    def __init__(self, dice: random.Random, policy: Policy, now: int) -> None:
        self.now = now
        self.dice = dice
        self.public = Public()
        self.lanes: dict[tuple[str, str], Lane] = defaultdict(Lane)
        self.owners = [Owner(_REGISTRY, policy) for _ in range(PARTITIONS)]
        self.crashes = 0
        self.calm = False
        self._published = [0] * PARTITIONS
        self._publisher = Publisher(policy, _GRAVES.seal)
        self._sales = SalesIntake(_SEALER, _MACS, _AMOUNTS, pepper=PEPPER, policy=policy)
        self._payments = PaymentsIntake(_AMOUNTS, _MACS, status_map={}, policy=policy)
        self._batches = BatchIntake(_AMOUNTS, pepper=PEPPER, policy=policy)

    # What may happen next.

    def works(self) -> list[tuple[str, Any]]:
        """Everything that has work now, as (what, on which)."""
        found: list[tuple[str, Any]] = [
            ("intake", place) for place, lane in self.lanes.items() if lane.waiting
        ]
        for number, owner in enumerate(self.owners):
            due = owner.first_due()
            if owner.waiting or (due is not None and due <= self.now):
                found.append(("commit", number))
            if self._published[number] < len(owner.journal):
                found.append(("publish", number))
        return found

    def work(self, what: str, place: Any) -> None:
        match what:
            case "intake":
                self._intake(place)
            case "commit":
                self._commit(place)
            case _:
                self._publish(place)

    def dies(self, chance: float) -> bool:
        if self.calm or self.dice.random() >= chance:
            return False
        self.crashes += 1
        return True

    def replay(self) -> None:
        """Somebody produces an old command once more, as replays of dead letters do."""
        owner = self.dice.choice(self.owners)
        if owner.watermark:
            old = owner.commands[self.dice.randrange(owner.watermark)]
            owner.append_command(old.key.decode(), old.value)

    # Into the system.

    def mail(self, letter: Letter) -> None:
        topic, key, value = letter
        self.lanes[topic, key].messages.append(value)

    def ask(self, key: str, command: msgspec.Struct, request_id: str, /, *, answer: Any) -> None:
        owner = self.owners[partition_of(key, PARTITIONS)]
        owner.requests.append(Request(key, command, request_id, answer=answer))

    def state(self, prefix: bytes, key: str) -> Any:
        return self.owners[partition_of(key, PARTITIONS)].state(prefix + key.encode())

    def _intake(self, place: tuple[str, str]) -> None:
        lane, (topic, key) = self.lanes[place], place
        upto = min(lane.position + self.dice.randint(1, 3), len(lane.messages))
        for offset in range(lane.position, upto):
            commands = self._translated(topic, lane.messages[offset], offset)
            for n, (target, command) in enumerate(commands):
                self._command(target, command, f"{topic}/{key}/{offset}/{n}")
                if self.dies(0.02):
                    return
        if not self.dies(0.05):
            lane.position = upto

    def _translated(self, topic: str, value: bytes, offset: int) -> list[tuple[str, Any]]:
        origin = Origin(topic, 0, offset)
        if topic == BATCHES:
            rows = self._batches.translate(value, self.now)
            if isinstance(rows, Fault):
                raise Broken(f"a batch is not understood: {rows.reason}")
            assert not any(isinstance(one, BadRow) for one in rows.good)
            return [(row.certificate_id, row.command) for row in rows.good]
        intake = self._sales if topic == SALES else self._payments
        assert topic in {SALES, PAYMENTS}
        translated = intake.translate(value, origin)
        if isinstance(translated, Fault | NotOurs):
            raise Broken(f"{topic} is not understood: {translated}")
        return list(translated)

    def _command(self, key: str, command: msgspec.Struct, command_id: str) -> None:
        kind, fields = type(command).__name__, msgspec.Raw(_pack(command))
        record = wire.CommandRecord(wire.SCHEMA, command_id, self.now, kind, key, fields)
        self.owners[partition_of(key, PARTITIONS)].append_command(key, wire.encode(record))

    # Through the ledger.

    def _commit(self, number: int) -> None:
        crash = Crash.NONE
        if self.dies(0.06):
            crash = self.dice.choice([Crash.BEFORE_APPEND, Crash.AFTER_APPEND])
        limit = self.dice.randint(1, 6)
        self.owners[number].commit(self.now, requests=limit, commands=limit, crash=crash)

    # Out of it.

    def _publish(self, number: int) -> None:
        journal, start = self.owners[number].journal, self._published[number]
        upto = min(start + self.dice.randint(1, 5), len(journal))
        targets: dict[tuple[str, int], list[tuple[bytes, bytes]]] = defaultdict(list)
        for stored in journal[start:upto]:
            record = wire.decode_journal(stored.value)
            for out in self._publisher.outputs(stored.key, record, stored.timestamp):
                target = partition_of(out.key.decode(), PARTITIONS) if out.topic == COMMANDS else 0
                targets[out.topic, target].append((out.key, out.value))
        lanes = list(targets.items())
        self.dice.shuffle(lanes)
        for (topic, target), records in lanes:
            cut = self.dice.randint(0, len(records)) if self.dies(0.03) else None
            for key, value in records[:cut]:
                self._deliver(topic, target, key=key.decode(), value=value)
            if cut is not None:
                return
        self._published[number] = upto

    def _deliver(self, topic: str, target: int, *, key: str, value: bytes) -> None:
        if topic == COMMANDS:
            self.owners[target].append_command(key, value)
        elif topic == NOTIFICATIONS:
            asked = wire.decode_notification(value).asked
            name = asked.id.encode()
            self.public.notifications[name] = self.public.notifications.get(name, 0) + 1
        elif topic.endswith(".DLQ"):
            self.public.dead.append((topic, key.encode()))
        else:
            self.public.take(topic, key, value)


CERTIFICATE_PREFIX = CERTIFICATE.prefix
ORDER_PREFIX = ORDER.prefix
