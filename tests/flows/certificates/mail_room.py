"""A sender over a database and a gateway, without a broker, that can die at any point."""

import asyncio
import os
import signal
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from app.certificates.database import Database
from app.certificates.notify.course import Pace
from app.certificates.notify.letters import Writer
from app.certificates.notify.sender import NotRecorded, Sender
from app.certificates.notify.store import Begun, Due, Ended, Store
from app.certificates.sealing import Sealer, contact_place
from app.domain.certificates.events import NotificationAsked
from app.integrations.sms import HttpGateway, Message, Sent

SEALER = Sealer([b"k" * 32])
CODE = "GC7K2M9TXQ4P0D8VR6N4"
ZONE = ZoneInfo("Europe/Moscow")
# Fast enough for tests, in the same order as in earnest.
PACE = Pace(first_ms=50, most_ms=200, resend_ms=600, give_up_ms=600_000, claim_ms=2_000)
ANSWER_S = 0.8


def asked(name: str, *, phone: str | None = None, **fields: object) -> NotificationAsked:
    """A request as an order makes it: line 1 of the order of that name."""
    members = {"code": CODE, "phone": phone, "lang": "ru"} | fields
    sealed = SEALER.seal_members(members, contact_place(name, "1"))
    number = f"{name}:1:activated:1"
    return NotificationAsked(
        1, number, "activated", sealed, "gc_1", "R6N4", 300_000, "RUB", None, name, "1"
    )


class Office:
    """The sender with its collaborators, opened and closed by the test."""

    def __init__(self, dsn: str, url: str, *, pace: Pace = PACE) -> None:
        self.database = Database(dsn)
        self.store = Store(self.database)
        self.gateway = HttpGateway(url, answer_s=ANSWER_S)
        self.told: list[Ended] = []
        self.opened: list[list[str]] = []
        self.audit_away = False
        self.sender = self.sender_of(self.store, self.gateway, pace)

    def sender_of(self, store: Store, gateway: HttpGateway, pace: Pace = PACE) -> Sender:
        writer = Writer(SEALER, ZONE)
        return Sender(store, gateway, writer, report=self.hear, record=self.note_opening, pace=pace)

    async def hear(self, ended: Sequence[Ended]) -> None:
        self.told += ended

    async def note_opening(self, dues: Sequence[Due]) -> None:
        if self.audit_away:
            raise NotRecorded("as the test wants it")
        self.opened.append([due.id for due in dues])

    async def run(self, *, seconds: float = 20) -> None:
        """Works as the timer does until nothing waits any more."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            await self.sender.work()
            await self.sender.tell()
            if (await self.store.waiting())[0] == 0:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("messages still wait")

    async def close(self) -> None:
        await self.gateway.aclose()
        await self.database.close()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStore(Store):
    """Dies before or after a course is stored for the first time."""

    point = ""

    async def claim(self, name: str, begun: Begun) -> list[Due]:
        if self.point == "before SENDING":
            die()
        taken = await super().claim(name, begun)
        if taken and self.point == "after SENDING":
            die()
        return taken

    async def put(self, name: str, due: Due) -> bool:
        if self.point == "before the result":
            die()
        stored = await super().put(name, due)
        if self.point == "after the result":
            die()
        return stored

    async def told(self, ids: Sequence[str]) -> None:
        if self.point == "before told":
            die()
        await super().told(ids)


class DyingGateway(HttpGateway):
    """Dies with the request on its way."""

    async def send(self, message: Message) -> Sent:
        sending = asyncio.ensure_future(super().send(message))
        await asyncio.sleep(0.1)
        die()
        return await sending


POINTS = (
    "before SENDING",
    "after SENDING",
    "while it goes out",
    "before the result",
    "after the result",
    "before told",
)


def dying(dsn: str, url: str, point: str) -> None:
    """A process of its own: works until it kills itself at the point."""
    asyncio.run(_dying(dsn, url, point))


async def _dying(dsn: str, url: str, point: str) -> None:
    office = Office(dsn, url)
    DyingStore.point = point
    office.store = DyingStore(office.database)
    gateway = office.gateway
    if point == "while it goes out":
        gateway = DyingGateway(url, answer_s=ANSWER_S)
    office.sender = office.sender_of(office.store, gateway)
    await office.run()
