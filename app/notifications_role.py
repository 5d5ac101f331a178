"""Messages to people in a services worker: the agent, the timer, the gateway, put together."""

from zoneinfo import ZoneInfo

import structlog
from aiokafka.errors import KafkaError
from mode import Service

from agents.notifications import Openings, Results
from app.certificates.database import Database, StorageUnavailable
from app.certificates.notify.course import Pace
from app.certificates.notify.figures import NOTIFY
from app.certificates.notify.letters import Writer
from app.certificates.notify.sender import Sender
from app.certificates.notify.store import Store
from app.certificates.sealing import Sealer
from app.domain.policy import Policy
from app.integrations.sms import HttpGateway
from app.settings import Settings
from tables.clock import Clock
from tables.journal import AppendRefused, AppendUnknown
from tables.outlet import Outlet

WORK_S = 0.5
SWEEP_S = 60.0
AWAY = (StorageUnavailable, KafkaError, AppendUnknown, AppendRefused, OSError)
log = structlog.get_logger("notify")


class NotificationService(Service):
    """Its timers run in every services worker: what one has taken the others skip."""

    def __init__(
        self, settings: Settings, policy: Policy, *, database: Database, outlet: Outlet
    ) -> None:
        super().__init__()
        self.store = Store(database)
        self._policy = policy
        self._gateway = gateway_of(settings)
        self._sender: Sender | None = None
        if self._gateway is None:
            log.warning("no gateway is set, messages wait: GIFTMARK_SMS_URL")
            return
        clock = Clock(settings.clock_offset_ms)
        partitions = settings.ledger_partitions
        contacts = Sealer([key.get_secret_value() for key in settings.contact_keys])
        self._sender = Sender(
            self.store,
            self._gateway,
            Writer(contacts, ZoneInfo(policy.business_tz)),
            report=Results(outlet, clock.wall_ms, partitions=partitions).report,
            record=Openings(outlet, clock.wall_ms, partitions=partitions).record,
            pace=pace_of(settings),
        )

    async def on_stop(self) -> None:
        if self._gateway is not None:
            await self._gateway.aclose()

    @Service.timer(WORK_S)
    async def _work(self) -> None:
        if self._sender is None:
            return
        try:
            await self._sender.work()
        except StorageUnavailable as error:
            log.info("messages wait", cause=str(error))

    @Service.timer(WORK_S)
    async def _tell(self) -> None:
        if self._sender is None:
            return
        try:
            await self._sender.tell()
        except AWAY as error:
            log.info("results are told later", cause=type(error).__name__)

    @Service.timer(SWEEP_S)
    async def _sweep(self) -> None:
        try:
            await self.store.sweep(self._policy)
            waiting, oldest_s = await self.store.waiting()
        except StorageUnavailable as error:
            log.info("contacts are erased later", cause=type(error).__name__)
            return
        NOTIFY.waiting.set(waiting)
        NOTIFY.oldest_seconds.set(oldest_s)


def gateway_of(settings: Settings) -> HttpGateway | None:
    if settings.sms_url is None:
        return None
    token = None if settings.sms_token is None else settings.sms_token.get_secret_value()
    return HttpGateway(settings.sms_url, token=token, answer_s=settings.sms_answer_s)


def pace_of(settings: Settings) -> Pace:
    """A claim outlives every call that is made under it: a question, then a send."""
    return Pace(
        first_ms=int(settings.notify_retry_first_s * 1_000),
        most_ms=int(settings.notify_retry_most_s * 1_000),
        resend_ms=int(settings.notify_resend_s * 1_000),
        give_up_ms=int(settings.notify_give_up_s * 1_000),
        claim_ms=int(settings.sms_answer_s * 3_000),
    )
