"""Sends what is due: stored as SENDING, then sent, then stored as what came of it."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from app.certificates.notify.course import (
    ENDS,
    Course,
    Pace,
    State,
    after_ask,
    after_send,
    begun,
    failed,
)
from app.certificates.notify.figures import NOTIFY
from app.certificates.notify.letters import Unsendable, Writer
from app.certificates.notify.store import CLAIM_MOST, Due, Ended, Store
from app.integrations.sms import Gateway, NotTaken, Sent

Report = Callable[[Sequence[Ended]], Awaitable[None]]
log = structlog.get_logger("notify")


class Claim(NamedTuple):
    """Who took the messages and when, by this process's clock."""

    name: str
    began: float

    @property
    def spent_ms(self) -> int:
        return int((time.monotonic() - self.began) * 1_000)


class Sender:
    """`report` hands ends to the ledger, at least once; the ledger knows repetitions."""

    def __init__(
        self, store: Store, gateway: Gateway, writer: Writer, *, report: Report, pace: Pace
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._writer = writer
        self._report = report
        self._pace = pace

    async def work(self) -> None:
        """Everything that is due now; raises StorageUnavailable."""
        while await self.step() == CLAIM_MOST:
            pass

    async def step(self) -> int:
        """One claim, worked on to its end; how many messages it took."""
        claim = Claim(uuid.uuid4().hex, time.monotonic())
        taken = await self._store.claim(claim.name, self._begun)
        works = (self._one(due, claim) for due in taken)
        for result in await asyncio.gather(*works, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        return len(taken)

    async def tell(self) -> None:
        """Raises StorageUnavailable and what `report` raises: then it is told again."""
        while ended := await self._store.untold():
            await self._report(ended)
            await self._store.told([one.id for one in ended])

    def _begun(self, course: Course, now: int) -> Course:
        return begun(course, now, self._pace)

    async def _one(self, due: Due, claim: Claim) -> None:
        match due.course.state:
            case State.SENDING:
                await self._send(due, claim)
            case State.UNKNOWN:
                await self._ask(due, claim)
            case _:
                _over(due.course, due)

    async def _send(self, due: Due, claim: Claim) -> None:
        try:
            message = self._writer.write(due)
        except Unsendable as cause:
            await self._put(due, claim, failed(due.course, str(cause)))
            return
        if claim.spent_ms > self._pace.claim_ms // 2:
            # Whoever takes it over must not meet our send.
            sent: Sent = NotTaken("TurnTooLate")
        else:
            sent = await self._gateway.send(message)
        NOTIFY.sends.labels(type(sent).__name__).inc()
        now = due.now + claim.spent_ms
        await self._put(due, claim, after_send(due.course, sent, now, pace=self._pace))

    async def _ask(self, due: Due, claim: Claim) -> None:
        told = await self._gateway.ask(due.id)
        NOTIFY.questions.labels(type(told).__name__).inc()
        now = due.now + claim.spent_ms
        course = after_ask(due.course, told, now, pace=self._pace)
        if await self._put(due, claim, course) and course.state is State.SENDING:
            await self._send(due._replace(course=course), claim)

    async def _put(self, due: Due, claim: Claim, course: Course) -> bool:
        """False: somebody else has the message now."""
        stored = await self._store.put(claim.name, due._replace(course=course))
        if not stored:
            log.warning("a message was taken over", notification=due.id)
        elif course.state in ENDS:
            _over(course, due)
        return stored


def _over(course: Course, due: Due) -> None:
    NOTIFY.ended.labels(due.facts.template, course.state).inc()
    if course.state is State.FAILED:
        log.error("message failed", notification=due.id, cause=course.error)
