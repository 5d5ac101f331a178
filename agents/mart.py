"""The mart agent: published events become rows of PostgreSQL before their position is kept."""

import msgspec
import psycopg2
import structlog

from agents.handling import Handler, TryAgain
from app.batches import Batch
from app.certificates.database import Database, StorageUnavailable
from app.certificates.mart import SOURCES, Mart, NewerEvent
from app.metrics import FLOW

AWAY_S = 1.0
STOPPED_S = 30.0
log = structlog.get_logger("mart")


def mart_handlers(database: Database) -> list[tuple[str, Handler]]:
    """Topic and function, for every topic that the mart copies."""
    mart = Mart(database)
    return [(topic, _handler(mart, topic)) for topic in SOURCES]


def _handler(mart: Mart, topic: str) -> Handler:
    async def handle(batch: Batch) -> None:
        try:
            unreadable = await mart.take(topic, batch.records)
        except StorageUnavailable as error:
            raise TryAgain(str(error), after_s=AWAY_S) from None
        except (NewerEvent, msgspec.DecodeError, psycopg2.Error) as error:
            # The partition stands still and says so; skipping would make the sums wrong.
            place = {"tp": str(batch.tp), "first": batch.follows}
            log.critical("the mart stands still", cause=type(error).__name__, **place)
            raise TryAgain(type(error).__name__, after_s=STOPPED_S) from None
        if unreadable:
            FLOW.ignored.labels(topic, "Unreadable").inc(unreadable)
        batch.done()

    return handle
