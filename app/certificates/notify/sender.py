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
Record = Callable[[Sequence[Due]], Awaitable[None]]
log = structlog.get_logger("notify")


class NotRecorded(Exception):
    """The audit may not know of it: what it was about must not be done."""


class Claim(NamedTuple):
    """Who took the messages and when, by this process's clock."""

    name: str
    began: float

    @property
    def spent_ms(self) -> int:
        return int((time.monotonic() - self.began) * 1_000)


class Sender:
    """`report` hands ends to the ledger, at least once; the ledger knows repetitions.

    `record` tells the audit whose contacts are about to be opened; it may raise NotRecorded.
    """

    def __init__(
        self,
        store: Store,
        gateway: Gateway,
        writer: Writer,
        *,
        report: Report,
        record: Record,
        pace: Pace,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._writer = writer
        self._report = report
        self._record = record
        self._pace = pace

    async def work(self) -> None:
        """Everything that is due now; raises StorageUnavailable."""
        while await self.step() == CLAIM_MOST:
            pass

    async def step(self) -> int:
        """One claim, worked on to its end; how many messages it took."""
        claim = Claim(uuid.uuid4().hex, time.monotonic())
        taken = await self._store.claim(claim.name, self._begun)
        recorded = await self._recorded([due for due in taken if due.course.state is State.SENDING])
        works = (self._one(due, claim, recorded=recorded) for due in taken)
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

    async def _recorded(self, sending: Sequence[Due]) -> bool:
        """All in one go; what nobody recorded stays sealed and waits for its next try."""
        sealed = [due for due in sending if due.sealed is not None]
        try:
            if sealed:
                await self._record(sealed)
        except NotRecorded as error:
            log.warning("contacts stay sealed", messages=len(sealed), cause=str(error))
            return False
        return True

    async def _one(self, due: Due, claim: Claim, *, recorded: bool) -> None:
        match due.course.state:
            case State.SENDING:
                await self._send(due, claim, recorded=recorded)
            case State.UNKNOWN:
                await self._ask(due, claim)
            case _:
                _over(due.course, due)

    async def _send(self, due: Due, claim: Claim, *, recorded: bool) -> None:
        sent: Sent = NotTaken("AccessNotRecorded")
        try:
            if recorded:
                sent = await self._sent(due, claim)
        except Unsendable as cause:
            await self._put(due, claim, failed(due.course, str(cause)))
            return
        NOTIFY.sends.labels(type(sent).__name__).inc()
        now = due.now + claim.spent_ms
        await self._put(due, claim, after_send(due.course, sent, now, pace=self._pace))

    async def _sent(self, due: Due, claim: Claim) -> Sent:
        """Raises Unsendable."""
        message = self._writer.write(due)
        if claim.spent_ms > self._pace.claim_ms // 2:
            # Whoever takes it over must not meet our send.
            return NotTaken("TurnTooLate")
        return await self._gateway.send(message)

    async def _ask(self, due: Due, claim: Claim) -> None:
        told = await self._gateway.ask(due.id)
        NOTIFY.questions.labels(type(told).__name__).inc()
        now = due.now + claim.spent_ms
        course = after_ask(due.course, told, now, pace=self._pace)
        if await self._put(due, claim, course) and course.state is State.SENDING:
            again = due._replace(course=course)
            await self._send(again, claim, recorded=await self._recorded([again]))

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
