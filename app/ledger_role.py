"""The ledger role, composed: transport, ledger, publishing, intake, HTTP."""

import asyncio
import socket
from typing import Any

import faust
import msgspec
import structlog
from aiokafka import OffsetAndMetadata, TopicPartition
from faust.types import TP
from mode import Service
from prometheus_client import REGISTRY

from agents.handling import Handler
from agents.intake import Intake
from agents.publishing import Publishing, take_note
from app.batches import Batch, partitions_of
from app.certificates.inbound import Amounts
from app.certificates.intake_batch import BatchIntake
from app.certificates.intake_payments import PaymentsIntake
from app.certificates.intake_sales import SalesIntake
from app.certificates.publishing import Publisher
from app.certificates.sealing import ContentMacs, DeadLetterSealer, Sealer
from app.contracts import dead_letters
from app.contracts.topics import BATCHES, COMMANDS, JOURNAL, PAYMENTS, SALES, dead_letters_of
from app.domain.certificates.codes import Code, certificate_id, parse
from app.domain.certificates.entities import ENTITIES
from app.domain.policy import Policy
from app.lag import PublishingAge, ledger_lag
from app.metrics import FLOW, LEDGER
from app.settings import Settings
from app.tills import Tills
from app.transport import BatchConsumer
from app.worker import fatal, faust_app, read_topics
from tables.clock import Clock
from tables.draft import DeadLetter
from tables.errors import CommandsLost
from tables.journal import BrokerLink, Record
from tables.ledger import Hooks, Ledger
from tables.opening import Site
from tables.outlet import Outlet
from tables.store import SharedMemory
from web.access import Clients
from web.apps import Deps, internal_app, public_app
from web.batches_wiring import BatchService
from web.routing import Edge
from web.running import Sites

log = structlog.get_logger("worker")
MEASURE_S = 1.0
PROOF_S = 5.0


class LedgerRole(Service):
    """One worker process of the role; `app` is its Faust app."""

    def __init__(self, settings: Settings, internal: socket.socket) -> None:
        super().__init__()
        host, port = internal.getsockname()[:2]
        self.settings = settings
        self.policy = msgspec.convert(settings.policy, Policy)
        self.app: faust.App = faust_app(settings, "ledger", canonical_url=f"http://{host}:{port}")
        self.link = BrokerLink(settings.kafka)
        self.outlet = Outlet(self.link)
        self.tills = Tills()
        self.clock = Clock(settings.clock_offset_ms)
        self.age = PublishingAge(self.clock.wall_ms)
        self.contacts = Sealer([key.get_secret_value() for key in settings.contact_keys])
        self.payouts = Sealer([settings.payout_key.get_secret_value()])
        self.graves = DeadLetterSealer([settings.dead_letter_key.get_secret_value()])
        self.batches = BatchService(settings, self.outlet, self.graves.seal)
        self.ledger: Ledger | None = None
        self._internal = internal
        self._sites = Sites()
        self._starting = asyncio.Lock()
        self._owners: dict[int, str] = {}
        self._lag = ledger_lag()
        read_topics(self.app, self._handlers())
        self.app.on_partitions_assigned.connect(self._assigned)
        self.app.service(self)

    @property
    def consumer(self) -> BatchConsumer:
        consumer: BatchConsumer = self.app.consumer
        return consumer

    def _handlers(self) -> list[tuple[str, int, Handler]]:
        """The wiring of the role: topic, partitions, function."""
        settings, inbound = self.settings, self.settings.inbound_partitions
        pepper = settings.code_pepper.get_secret_value()
        amounts, macs = Amounts(settings.inbound_amount_unit), ContentMacs(pepper)
        publisher = Publisher(self.policy, self.graves.seal, take_note)
        ledger = settings.ledger_partitions
        name = settings.app_name
        publishing = Publishing(
            self.link,
            publisher,
            app_name=name,
            partitions=ledger,
            tills=self.tills,
            reached=self.age.reached,
        )
        now_ms = self.clock.wall_ms
        intake = Intake(self.outlet, self.graves.seal, now_ms, partitions=ledger, tills=self.tills)
        sales = SalesIntake(self.contacts, macs, amounts, pepper=pepper, policy=self.policy)
        payments = PaymentsIntake(
            amounts, macs, status_map=settings.payment_status_map, policy=self.policy
        )
        rows = BatchIntake(amounts, pepper=pepper, policy=self.policy)
        return [
            (SALES, inbound, intake.messages(sales.translate)),
            (PAYMENTS, inbound, intake.messages(payments.translate)),
            (BATCHES, inbound, intake.batches(rows)),
            (COMMANDS, ledger, self._decide),
            (JOURNAL, ledger, publishing.handle),
        ]

    async def _decide(self, batch: Batch) -> None:
        """The sequencer marks the batch done; one that comes before opening comes again."""
        if self.ledger is not None:
            self.ledger.submit(batch)

    # Starting and stopping.

    async def on_start(self) -> None:
        await self._ready()
        ledger = self.ledger
        assert ledger is not None
        deps = Deps(
            settings=self.settings,
            ledger=ledger,
            clients=Clients(self.settings.clients_file),
            edge=self._edge(),
            registry=REGISTRY,
            probes={"broker": self._broker_probe, "partitions": self._partitions_probe},
            batches=self.batches,
        )
        host, port = self.settings.public_host, self.settings.public_port
        await self._sites.open_public(public_app(deps), host=host, port=port)
        await self._sites.open_internal(internal_app(deps), self._internal)

    async def on_stop(self) -> None:
        if self.ledger is not None:
            await self.ledger.stop()
        await self._sites.close()
        await self.link.stop()

    async def _ready(self) -> Ledger:
        """The ledger, made once; the group may assign partitions before the service starts."""
        async with self._starting:
            if self.ledger is None:
                await self.link.start()
                self.ledger = self._make_ledger()
                self.consumer.start_position = self._start_position
            return self.ledger

    def _make_ledger(self) -> Ledger:
        settings = self.settings
        site = Site(
            settings.kafka,
            settings.data_dir / settings.worker_name,
            settings.app_name,
            settings.worker_name,
            settings.pepper_check,
            self.link,
            SharedMemory(),
            self._prove,
            settings.clock_offset_ms,
        )
        return Ledger(
            site,
            Hooks(self._opened, self._held, self._bury, fatal, self._owners.get),
            partitions=settings.ledger_partitions,
            entities=ENTITIES,
            policy=self.policy,
            renewal_s=settings.epoch_renewal_s,
            tills=self.tills,
        )

    def _edge(self) -> Edge:
        pepper = self.settings.code_pepper.get_secret_value()

        def identify(text: str) -> str | None:
            code = parse(text)
            return certificate_id(code, pepper) if isinstance(code, Code) else None

        return Edge(
            policy=self.policy,
            certificate_id=identify,
            seal_contact=self.contacts.seal_members,
            seal_payout=self.payouts.seal_members,
        )

    # What the ledger asks of the group.

    async def _assigned(self, _app: Any, tps: set[TP], **_: Any) -> None:
        ledger = await self._ready()
        owned = partitions_of(tps, COMMANDS)
        standbys = partitions_of(self.app.assignor.assigned_standbys(), COMMANDS)
        if not (owned or standbys):
            # A spare one: as the others are full, it will take over from any of them.
            standbys = frozenset(range(ledger.partitions))
        FLOW.publishing_stopped.clear()
        self._owners.clear()
        for url, topics in self.app.router.external_topics_metadata().items():
            for partition in topics.get(COMMANDS, ()):
                self._owners[partition] = str(url).rstrip("/")
        log.info("partitions assigned", owned=sorted(owned), standbys=sorted(standbys))
        await ledger.assign(owned, standbys)

    async def _prove(self, partition: int) -> bool:
        """Commits the position of our commands under the present generation of the group."""
        tp = TP(COMMANDS, partition)
        if tp not in self.consumer.assignment():
            return False
        position = OffsetAndMetadata(self.consumer.committed_at.get(tp, 0), "")
        try:
            async with asyncio.timeout(PROOF_S):
                return await self.consumer.commit_positions({tp: position})
        except TimeoutError:
            return False

    async def _opened(self, partition: int, watermark: int) -> None:
        tp = TP(COMMANDS, partition)
        wire = TopicPartition(*tp)
        first = (await self.consumer.earliest_offsets(tp))[wire]
        end = (await self.consumer.highwaters(tp))[wire]
        if not first <= watermark <= end:
            raise CommandsLost(f"commands {first}…{end} do not reach the watermark {watermark}")
        self.consumer.rewind(tp, watermark)

    def _held(self, partition: int) -> None:
        self.consumer.hold(TP(COMMANDS, partition))

    def _start_position(self, tp: TP) -> int | None:
        if tp.topic != COMMANDS or self.ledger is None:
            return None
        return self.ledger.watermark(tp.partition)

    async def _bury(self, dead: list[DeadLetter]) -> None:
        topic = dead_letters_of(COMMANDS)
        targets: dict[TopicPartition, list[Record]] = {}
        for letter in dead:
            record = letter.record
            place = dead_letters.Place(record.topic, record.partition, record.offset)
            cause = dead_letters.Cause(letter.stage, letter.code, letter.message, record.timestamp)
            headers = dead_letters.headers(place, cause, sealed=None)
            lane = targets.setdefault(TopicPartition(topic, record.partition), [])
            lane.append((record.key or b"", record.value, headers))
        await self.outlet.send(targets)

    # Health and figures.

    async def _broker_probe(self) -> str | None:
        await self.link.ping()
        return None

    async def _partitions_probe(self) -> str | None:
        ledger = self.ledger
        if ledger is None or not self._owners:
            return "the group has not assigned anything yet"
        closed = sorted(ledger.owned - set(ledger.open))
        if closed:
            return f"not open yet: {closed}"
        skewed = [number for number, serving in ledger.open.items() if serving.clock.skewed()]
        return f"this clock is over 60 s off the broker's ({skewed})" if skewed else None

    @Service.timer(MEASURE_S)
    async def _measure(self) -> None:
        self.age.tell(self._lag.tell(self.consumer))
        LEDGER.due_backlog_seconds.clear()
        for number, serving in list(self.ledger.open.items() if self.ledger else ()):
            LEDGER.due_backlog_seconds.labels(str(number)).set(serving.backlog_ms / 1_000)
