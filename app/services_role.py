"""The services role, composed of parts: agents, routes and timers that need the database."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import faust
import msgspec
from aiohttp import web as aiohttp_web
from faust.types import TP
from mode import Service
from prometheus_client import REGISTRY, Gauge

from agents.handling import Handler
from agents.mart import mart_handlers
from agents.notifications import notification_handler
from app.certificates.database import Database
from app.certificates.dead_letters.desk import Desk
from app.certificates.sealing import DeadLetterSealer
from app.contracts.topics import NOTIFICATIONS
from app.domain.policy import Policy
from app.lag import Lag
from app.marking_role import MarkingService
from app.marking_settings import marking_settings
from app.mart_role import NightService
from app.metrics import FLOW
from app.notifications_role import NotificationService
from app.settings import Settings
from app.worker import faust_app, read_topics
from tables.clock import Clock
from tables.journal import BrokerLink
from tables.outlet import Outlet
from web.dead_letters_api import dead_letter_routes
from web.health import Health, Probe
from web.running import Sites

MEASURE_S = 1.0


@dataclass(frozen=True, slots=True)
class Shared:
    """What all parts of the role stand on; nothing of it is open before `Part.start`."""

    settings: Settings
    policy: Policy
    database: Database
    link: BrokerLink
    outlet: Outlet


@dataclass(slots=True, kw_only=True)
class Part:
    """One part of the role; whatever it leaves out it does not have.

    `handlers`: (topic, its partitions, function). `routes` go to the public port,
    `inside` to the internal one. `services`
    are started after the database and the broker are configured, and stopped before them;
    their `Service.timer`s are the role's timers.
    """

    handlers: list[tuple[str, int, Handler]] = field(default_factory=list)
    routes: Callable[[aiohttp_web.Application], None] | None = None
    inside: Callable[[aiohttp_web.Application], None] | None = None
    probes: Mapping[str, Probe] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)


def mart_part(shared: Shared) -> Part:
    partitions = shared.settings.ledger_partitions
    return Part(
        handlers=[
            (topic, partitions, handler) for topic, handler in mart_handlers(shared.database)
        ],
        services=[NightService(shared.settings, shared.policy, shared.database)],
    )


def notifications_part(shared: Shared) -> Part:
    service = NotificationService(
        shared.settings, shared.policy, database=shared.database, outlet=shared.outlet
    )
    handler = notification_handler(service.store, shared.outlet)
    return Part(
        handlers=[(NOTIFICATIONS, shared.settings.ledger_partitions, handler)],
        services=[service],
    )


def dead_letters_part(shared: Shared) -> Part:
    settings = shared.settings
    graves = DeadLetterSealer([settings.dead_letter_key.get_secret_value()])
    desk = Desk(settings.kafka, graves, Clock(settings.clock_offset_ms).wall_ms)
    return Part(inside=partial(dead_letter_routes, desk=desk))


def marking_part(shared: Shared) -> Part:
    service = MarkingService(shared.settings, marking_settings())
    return Part(
        handlers=service.handlers(),
        routes=service.routes,
        probes=service.probes,
        services=[service],
    )


# The wiring of the role: every part that it runs.
PARTS: tuple[Callable[[Shared], Part], ...] = (
    mart_part,
    notifications_part,
    dead_letters_part,
    marking_part,
)


def _lag_of(tp: TP) -> Gauge:
    return FLOW.lag.labels(tp.topic, str(tp.partition))


class ServicesRole(Service):
    """One worker process of the role; `app` is its Faust app."""

    def __init__(self, settings: Settings, internal: socket.socket) -> None:
        super().__init__()
        host, port = internal.getsockname()[:2]
        self.settings = settings
        self.app: faust.App = faust_app(settings, "services", canonical_url=f"http://{host}:{port}")
        policy, link = msgspec.convert(settings.policy, Policy), BrokerLink(settings.kafka)
        database = Database(settings.database_url, policy=policy)
        self.shared = Shared(settings, policy, database, link, Outlet(link))
        self.parts = [part(self.shared) for part in PARTS]
        self._internal = internal
        self._sites = Sites()
        self._assigned_once = False
        self._lag = Lag((FLOW.lag,), _lag_of)
        for part in self.parts:
            read_topics(self.app, part.handlers)
        self.app.on_partitions_assigned.connect(self._assigned)
        self.app.service(self)

    async def _assigned(self, _app: Any, _tps: set[TP], **_: Any) -> None:
        self._assigned_once = True

    async def on_start(self) -> None:
        await self.shared.link.start()
        for part in self.parts:
            for service in part.services:
                await self.add_runtime_dependency(service)
        host, port = self.settings.public_host, self.settings.services_port
        await self._sites.open_public(self._public(), host=host, port=port)
        await self._sites.open_internal(self._inside(), self._internal)

    async def on_shutdown(self) -> None:
        await self._sites.close()
        await self.shared.database.close()
        await self.shared.link.stop()

    def _public(self) -> aiohttp_web.Application:
        application = aiohttp_web.Application()
        for part in self.parts:
            if part.routes is not None:
                part.routes(application)
        return application

    def _inside(self) -> aiohttp_web.Application:
        probes: dict[str, Probe] = {
            "broker": self._broker_probe,
            "database": self._database_probe,
            "group": self._group_probe,
        }
        for part in self.parts:
            probes.update(part.probes)
        application = aiohttp_web.Application()
        Health(probes, REGISTRY).add_to(application)
        for part in self.parts:
            if part.inside is not None:
                part.inside(application)
        return application

    async def _broker_probe(self) -> str | None:
        await self.shared.link.ping()
        return None

    async def _database_probe(self) -> str | None:
        await self.shared.database.ping()
        return None

    async def _group_probe(self) -> str | None:
        return None if self._assigned_once else "the group has not assigned anything yet"

    @Service.timer(MEASURE_S)
    async def _measure(self) -> None:
        self._lag.tell(self.app.consumer)
