"""The mart's night in a services worker: a timer, a log line, metrics."""

import time
from zoneinfo import ZoneInfo

import msgspec
import psycopg2
import structlog
from aiokafka.errors import KafkaError
from mode import Service

from app.certificates.audit_reading import ReadingStopped, TopicMissing
from app.certificates.database import Database, StorageUnavailable
from app.certificates.mart_nightly import Nights, Work, close_days
from app.certificates.reconcile import reconcile
from app.contracts.wire import NewerSchema
from app.domain.policy import Policy
from app.metrics import MART
from app.settings import Settings
from tables.clock import Clock

LOOK_S = 10.0
RETRY_S = 600.0
# A statement that the database refuses ends the night, not the parts of the role beside it.
FAILED = (
    *(StorageUnavailable, KafkaError, ReadingStopped, TopicMissing, OSError),
    *(NewerSchema, psycopg2.Error),
)
log = structlog.get_logger("mart")


class NightService(Service):
    """Its timer runs in every services worker, the work of a night in one of them."""

    def __init__(self, settings: Settings, policy: Policy, database: Database) -> None:
        super().__init__()
        self._kafka = settings.kafka
        self._database = database
        self._not_before = 0.0
        self._nights = Nights(
            database,
            self._work,
            zone=ZoneInfo(policy.business_tz),
            hour=settings.nightly_hour,
            now_ms=Clock(settings.clock_offset_ms).wall_ms,
        )

    async def _work(self) -> Work:
        closed = await close_days(self._database)
        found = await reconcile(self._kafka, self._database)
        return Work(
            closed.days, closed.months, found.certificates, found.behind, len(found.differences)
        )

    @Service.timer(LOOK_S)
    async def _look(self) -> None:
        await self.look()

    async def look(self) -> None:
        """Works if a night is due; what fails is tried again by a later call."""
        if time.monotonic() < self._not_before:
            return
        try:
            done = await self._nights.run()
            last = await self._nights.last()
        except FAILED as error:
            self._not_before = time.monotonic() + RETRY_S
            log.warning("the night is tried again later", cause=type(error).__name__)
            return
        if done is not None:
            tell = log.error if done.differences else log.info
            tell("the night is done", **msgspec.structs.asdict(done))
        if last is not None:
            MART.night_timestamp.set(last.ended)
            MART.night_seconds.set(last.ended - last.started)
            MART.differences.set(last.differences)
            MART.behind.set(last.behind)
