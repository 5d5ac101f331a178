"""The night's work: due from its hour on, done once by one of many, made up for after a fault."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.certificates.database import Database
from app.certificates.mart_nightly import Nights, Work

MOSCOW = ZoneInfo("Europe/Moscow")
DONE = Work(days=3, months=1, certificates=7, behind=0, differences=2)


class Worker:
    """A services worker with a clock to be set; its work waits until it is let go on."""

    def __init__(self, database: Database, *, hour: int = 3) -> None:
        self.now = datetime(2026, 3, 11, 9, tzinfo=UTC)
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.works = 0
        self.nights = Nights(
            database,
            self._work,
            zone=MOSCOW,
            hour=hour,
            now_ms=lambda: int(self.now.timestamp() * 1_000),
        )

    async def _work(self) -> Work:
        self.works += 1
        self.began.set()
        await self.may_end.wait()
        return DONE


@pytest.fixture
async def pair(database: Database, postgres: str) -> AsyncIterator[tuple[Worker, Worker]]:
    """Two workers, each with connections of its own, over a mart that had no night yet."""
    async with database.transaction() as tx:
        await tx.execute("TRUNCATE mart.night")
    other = Database(postgres)
    yield Worker(database), Worker(other)
    await other.close()


@pytest.mark.parametrize(
    ("hour", "moment", "day"),
    [
        (3, "2026-03-10T23:59:59.999Z", date(2026, 3, 10)),
        (3, "2026-03-11T00:00:00Z", date(2026, 3, 11)),
        (0, "2026-03-10T20:59:59Z", date(2026, 3, 10)),
        (0, "2026-03-10T21:00:00Z", date(2026, 3, 11)),
        (23, "2026-03-11T19:59:59Z", date(2026, 3, 10)),
    ],
)
def test_a_night_begins_at_its_hour_in_the_zone_of_business(
    hour: int, moment: str, day: date
) -> None:
    worker = Worker(Database(None), hour=hour)
    worker.now = datetime.fromisoformat(moment)
    assert worker.nights.due() == day


async def test_of_two_workers_one_does_the_work_of_a_night(pair: tuple[Worker, Worker]) -> None:
    first, second = pair
    running = asyncio.create_task(first.nights.run())
    await first.began.wait()
    assert await second.nights.run() is None
    first.may_end.set()
    assert await running == DONE
    assert [await worker.nights.run() for worker in pair] == [None, None]
    assert (first.works, second.works) == (1, 0)

    for worker in pair:
        worker.now += timedelta(days=1)
        worker.may_end.set()
    assert await second.nights.run() == DONE
    assert await first.nights.run() is None
    assert (first.works, second.works) == (1, 1)
    last = await first.nights.last()
    assert last is not None
    assert (last.day, last.differences, last.behind) == (date(2026, 3, 12), 2, 0)
    assert last.started <= last.ended


async def test_the_work_of_a_worker_that_ended_is_done_by_another(
    pair: tuple[Worker, Worker],
) -> None:
    first, second = pair
    running = asyncio.create_task(first.nights.run())
    await first.began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    second.may_end.set()
    assert await _taken_over(second) == DONE


async def _taken_over(worker: Worker) -> Work:
    """The lock goes with the connection that held it, a moment after its end."""
    async with asyncio.timeout(60):
        while (done := await worker.nights.run()) is None:
            await asyncio.sleep(0.05)
    return done


async def test_a_new_mart_has_no_night_before_its_first_day_is_over(database: Database) -> None:
    worker = Worker(database)
    worker.may_end.set()
    tomorrow = datetime.now(MOSCOW).date() + timedelta(days=1)
    worker.now = datetime.combine(tomorrow, time(2, 59), MOSCOW)
    assert await worker.nights.run() is None
    worker.now += timedelta(minutes=1)
    assert await worker.nights.run() == DONE
