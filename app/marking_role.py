"""The marking half of a services worker: desk, agents, timers, API, put together."""

import asyncio
from collections.abc import Mapping

import structlog
from aiohttp import web as aiohttp_web
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from mode import Service
from prometheus_client import REGISTRY

from agents.handling import Handler, TryAgain
from agents.marking import MarkingAgents
from app.batches import Batch
from app.contracts.topics import (
    MARKING_DEAD_LETTERS,
    MARKING_NOTIFICATIONS,
    MARKING_STATUSES,
    SUZ_ORDERS,
)
from app.integrations.observing import PrometheusObserver
from app.marking.changes import Changes
from app.marking.desk import Desk
from app.marking.flow import OrderFlow
from app.marking.leading import Leadership
from app.marking.mail import Post
from app.marking.opening import Addresses, close_desk, open_desk, times_of
from app.marking.press import Press
from app.marking.rotation import backed_up
from app.marking.runner import Runner
from app.marking.signing import SignersByKind, client_tls
from app.marking.terms import SANDBOX, Terms
from app.marking.work import WorkMessage, encode
from app.marking_settings import MarkingSettings
from app.settings import Settings
from web.health import Probe
from web.marking_app import mount
from web.marking_routing import Desks

log = structlog.get_logger("marking")
PUBLISH_S = 2.0
OPENS_S = 0.5
TOPICS = (SUZ_ORDERS, MARKING_STATUSES, MARKING_NOTIFICATIONS)


class MarkingService(Service):
    """Opened and closed with its worker; until then its handlers let batches wait."""

    def __init__(self, common: Settings, settings: MarkingSettings) -> None:
        super().__init__()
        self._common = common
        self._settings = settings
        self._terms = terms_of(settings)
        self._signers = signers_of(settings)
        self._producer: AIOKafkaProducer | None = None
        self._desk: Desk | None = None
        self._agents: MarkingAgents | None = None
        self._leading: asyncio.Task[None] | None = None
        self._leadership: Leadership | None = None
        self._changes: Changes | None = None

    def handlers(self) -> list[tuple[str, int, Handler]]:
        partitions = self._common.ledger_partitions
        return [(topic, partitions, self._handler(topic)) for topic in TOPICS]

    def _handler(self, topic: str) -> Handler:
        async def handle(batch: Batch) -> None:
            if self._agents is None:
                raise TryAgain("the marking half opens", after_s=OPENS_S)
            await dict(self._agents.handlers())[topic](batch)

        return handle

    @property
    def probes(self) -> Mapping[str, Probe]:
        async def opened() -> str | None:
            return None if self._agents is not None else "not open yet"

        return {"marking": opened}

    def routes(self, application: aiohttp_web.Application) -> None:
        assert self._desk is not None, "started before the site"
        assert self._changes is not None, "opened with the desk"
        desks = Desks(
            desk=self._desk,
            flow=OrderFlow(self._desk),
            press=Press(),
            changes=self._changes,
            public_url=self._common.public_url,
            secure_cookie=self._common.public_url.startswith("https:"),
            lock_ms=self._terms.scaled_ms(self._settings.marking_idempotency_lock_s),
            plugin=self._settings.plugin_script,
            demo=self._settings.chz_environment == SANDBOX,
        )
        mount(application, desks)

    async def on_start(self) -> None:
        settings, terms = self._settings, self._terms
        dsn = settings.database_url
        assert dsn is not None, "GIFTMARK_DATABASE_URL names the database"
        self._producer = self._common.kafka.client(AIOKafkaProducer, acks="all", linger_ms=2)
        await self._producer.start()
        self._desk = await open_desk(
            dsn,
            terms=terms,
            times=times_of(terms, settings),
            addresses=Addresses(*settings.addresses),
            keys=[key.get_secret_value() for key in settings.marking_secret_keys],
            signers=self._signers,
            observer=PrometheusObserver(REGISTRY),
            publish=self._publish,
        )
        if not await backed_up(self._desk.database, self._desk.sealer):
            log.warning("lost keys are lost codes: run `python -m app keys backup FILE`")
        agents = MarkingAgents(
            self._desk,
            Runner(self._desk),
            bury=self._bury,
            produce=self._produce,
            post=post_of(settings),
        )
        self._leadership = Leadership(self._desk.database, self._desk.owner)
        self._leading = asyncio.create_task(self._leadership.keep(), name="marking leadership")
        leadership = self._leadership
        self._changes = Changes(dsn, self._desk.database)
        self._changes.open()
        agents.start(leads=lambda: leadership.leads, due=self._changes.due)
        self._agents = agents

    async def on_stop(self) -> None:
        agents, self._agents = self._agents, None
        if self._leading is not None:
            self._leading.cancel()
            await asyncio.gather(self._leading, return_exceptions=True)
        if self._changes is not None:
            await self._changes.close()
        if agents is not None:
            await agents.stop()
        if self._leadership is not None:
            await self._leadership.resign()
        await self._signers.close()
        if self._producer is not None:
            await self._producer.stop()
        if self._desk is not None:
            await close_desk(self._desk)

    async def _publish(self, topic: str, message: WorkMessage) -> None:
        """Only wakes: a message that is not sent is replaced by the sweeper."""
        assert self._producer is not None, "opened with the desk"
        try:
            async with asyncio.timeout(PUBLISH_S):
                await self._producer.send(topic, encode(message), key=message.order_id.encode())
        except (KafkaError, TimeoutError) as error:
            log.warning("a wake-up was not sent", topic=topic, cause=type(error).__name__)

    async def _produce(self, topic: str, key: bytes, value: bytes) -> None:
        assert self._producer is not None, "opened with the desk"
        await self._producer.send_and_wait(topic, value, key=key)

    async def _bury(self, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        assert self._producer is not None, "opened with the desk"
        await self._producer.send_and_wait(MARKING_DEAD_LETTERS, value, key=key, headers=headers)


def terms_of(settings: MarkingSettings) -> Terms:
    """What follows the profile is settled here; all else has the same name on both sides."""
    settled = {
        "marking_flow_profile": settings.profile,
        "marking_suz_poll_mode": settings.poll_mode,
        "marking_suz_reports": settings.reports,
    }
    names = set(Terms.__struct_fields__) & set(MarkingSettings.model_fields)
    return Terms(**{name: getattr(settings, name) for name in names} | settled)


def signers_of(settings: MarkingSettings) -> SignersByKind:
    certificate, key = settings.marking_sign_certificate, settings.marking_sign_key
    authority = settings.marking_sign_authority
    tls = client_tls(certificate, key, authority=authority) if certificate and key else None
    return SignersByKind(
        command=settings.marking_sign_command,
        url=settings.marking_sign_url,
        tls=tls,
        sandbox=settings.sandbox_url if settings.chz_environment == SANDBOX else None,
    )


def post_of(settings: MarkingSettings) -> Post | None:
    if settings.smtp_url is None:
        return None
    return Post(settings.smtp_url.get_secret_value(), settings.smtp_from)
