"""The sequencer of one owned partition.

Theory of operation. A partition of `certificate-commands` has one owner in the group, and
the owner is the only one whose appends the broker accepts on the same partition of the
journal (producer epoch, see `tables/opening.py`). The sequencer takes what waits – HTTP
requests, commands of the topic, due work – and decides it one after the other, each seeing
the effects of those before it. All of it becomes one record batch: one record per touched
entity and, last, the meta record with the watermark, the next input position. The batch is
appended and acknowledged before anything else happens; then the local store is written;
then requests are answered and the input batch is marked done.

So the journal alone says what is true. If the append fails or lands at an unexpected
offset, nobody is told anything but "unknown", the partition closes, and opening it again
settles what happened. A commit that answers anybody appends at least the meta record: an
owner that was paused and replaced is refused by the broker before it can answer from old
memory, reads included.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from aiokafka import ConsumerRecord

from app.contracts import wire
from app.contracts.topics import JOURNAL
from app.domain.decision import Reply
from app.domain.policy import Policy
from app.metrics import LEDGER
from app.tills import Tills
from tables.draft import DeadLetter, Draft, Encoded, EntityTooLarge
from tables.entities import Entities, Registry
from tables.errors import OutcomeUnknown, OwnerUnavailable
from tables.inbox import Inbox, fail
from tables.journal import AppendRefused, AppendUnknown, Record
from tables.opening import Opened
from tables.store import STALE, Position

MAX_COMMANDS = 4_000
MAX_BESIDE_TILLS = 10
MAX_DUE = 200
IDLE_S = 0.5


class Hole(Exception):
    """An append landed elsewhere than expected: somebody else wrote to the journal."""


class Partition:
    """Serves until `close` or a failure; `run` returns or raises, the ledger reacts."""

    def __init__(
        self,
        number: int,
        opened: Opened,
        *,
        owner: str,
        registry: Registry,
        policy: Policy,
        pepper_check: str,
        bury: Callable[[list[DeadLetter]], Awaitable[None]],
        tills: Tills,
    ) -> None:
        self.number = number
        self.store = opened.store
        self.clock = opened.clock
        self._writer = opened.writer
        self._owner = owner
        self._registry = registry
        self._policy = policy
        self._pepper_check = pepper_check
        self._bury = bury
        self._entities = Entities(opened.store, registry)
        self.inbox = Inbox(tills)
        self._tills = tills
        self._careful = 0
        self._first_due = opened.store.first_due()
        self.renewal: Callable[[], Awaitable[None]] | None = None

    @property
    def watermark(self) -> int:
        return self.store.position.watermark or 0

    @property
    def backlog_ms(self) -> int:
        """How long the oldest due work has been waiting."""
        return 0 if self._first_due is None else max(0, self.clock.wall_ms() - self._first_due)

    def close(self) -> None:
        self.inbox.closed = True
        self.inbox.wake.set()

    async def run(self) -> None:
        """Ends without error after `close`; raises what broke the partition."""
        try:
            await self._repair()
            while not self.inbox.closed:
                if self.renewal is not None:
                    renewal, self.renewal = self.renewal, None
                    await renewal()
                if self.inbox or self._due_now():
                    await self._next()
                else:
                    await self._wait()
        finally:
            self.inbox.close()

    async def _next(self) -> None:
        """Commits what waits; commands of the topic and due work let the tills go first."""
        if self._tills.waiting:
            await self.inbox.until_asked(self._tills.first("commands"))
        await self._commit(*self._draft())

    def _due_now(self) -> bool:
        first = self._first_due
        return first is not None and first <= self._now() and not self.clock.skewed()

    def _now(self) -> int:
        return self.clock.bounded(self.clock.wall_ms())

    async def _wait(self) -> None:
        self.inbox.wake.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.inbox.wake.wait(), IDLE_S)

    def _draft(self) -> tuple[Draft, int, int]:
        """The draft, the watermark after it, and how far into the waiting batches it went."""
        draft = Draft(self._entities, self._registry, self._policy)
        limit = 1 if self._careful else MAX_COMMANDS
        for request in self.inbox.requests(limit):
            if not draft.full:
                draft.answer(request, self.clock.bounded(request.now))
        if self._tills.waiting:
            limit = min(limit, len(draft.answers) + MAX_BESIDE_TILLS)
        watermark, at = self._take_commands(draft, limit - len(draft.answers))
        due = MAX_BESIDE_TILLS if self._tills.waiting else MAX_DUE
        self._take_due(draft, 1 - draft.decided if self._careful else due)
        return draft, watermark, at

    def _take_due(self, draft: Draft, limit: int) -> None:
        if limit <= 0 or not self._due_now():
            return
        now = self._now()
        for due_at, key in self.store.due(now, limit):
            if not draft.full:
                draft.due(due_at, key, now)

    def _take_commands(self, draft: Draft, limit: int) -> tuple[int, int]:
        watermark, taken = self.watermark, 0
        for record in self.inbox.commands(watermark):
            if draft.commands >= limit or draft.full:
                break
            if record.offset < watermark:
                LEDGER.replays_skipped.inc()
            elif not self._taken(draft, record):
                break
            taken += 1
            watermark = max(watermark, record.offset + 1)
        return watermark, self.inbox.at + taken

    def _taken(self, draft: Draft, record: ConsumerRecord) -> bool:
        """False: a newer worker wrote it; what was decided before it is committed first."""
        try:
            draft.take(record, self.clock.bounded)
        except wire.NewerSchema:
            if draft.empty:
                raise
            return False
        return True

    async def _commit(self, draft: Draft, watermark: int, at: int) -> None:
        encoded = self._encode(draft)
        if encoded is None:
            await asyncio.sleep(0)
            return
        try:
            if draft.dead:
                await self._bury(draft.dead)
            await self._append(draft, encoded, watermark)
        except AppendRefused as refused:
            _fail_answers(draft, OwnerUnavailable(f"append refused: {refused}"))
            raise
        except (AppendUnknown, Hole, asyncio.CancelledError) as unknown:
            _fail_answers(draft, OutcomeUnknown(f"append unknown: {type(unknown).__name__}"))
            raise
        self._advance(draft, encoded, at)

    async def _append(self, draft: Draft, encoded: Encoded, watermark: int) -> None:
        before = self.store.position
        moved = watermark != self.watermark or before.watermark is None
        if not (encoded.records or draft.answers or moved):
            if draft.stale_hints:
                self.store.apply(encoded.changes, before)
            await asyncio.sleep(0)  # nothing to wait for: others go on, too
            return
        commit = before.commit + 1
        epoch = self.store.position.epoch
        meta = wire.MetaRecord(
            wire.SCHEMA, epoch, self._owner, watermark, commit, self._pepper_check
        )
        last = wire.encode(meta)
        records: list[Record] = [*encoded.records, (wire.META_KEY, last, ())]
        with LEDGER.commit_seconds.time():
            appended = await self._writer.append(JOURNAL, self.number, records)
        if appended.offset != before.next_offset:
            raise Hole(f"expected offset {before.next_offset}, got {appended.offset}")
        self.clock.seen(appended.time_ms)
        end = appended.offset + len(records)
        self.store.apply(encoded.changes, Position(before.ledger, end, epoch, watermark, commit))
        LEDGER.commit_records.observe(len(records))
        LEDGER.commit_bytes.observe(encoded.bytes + len(last))
        LEDGER.commits.inc()
        LEDGER.commands.inc(draft.commands + len(draft.answers))

    def _advance(self, draft: Draft, encoded: Encoded, at: int) -> None:
        """After the acknowledgement: memory, answers, input positions."""
        for key, held in encoded.held:
            self._entities.keep(key, held)
        self._note_due(encoded.dues, worked=bool(draft.stale_hints) or self._due_now())
        self._careful = max(0, self._careful - draft.decided)
        for request, answer in draft.answers:
            if isinstance(answer, Exception):
                fail(request, answer)
            elif not request.future.done():
                request.future.set_result(answer)
        self.inbox.advance(at)

    def _note_due(self, dues: list[int], *, worked: bool) -> None:
        if worked:
            self._first_due = self.store.first_due()
        elif dues:
            first = min(dues)
            self._first_due = first if self._first_due is None else min(first, self._first_due)

    def _encode(self, draft: Draft) -> Encoded | None:
        """None: something does not fit, decide one at a time; alone, it is refused."""
        epoch = self.store.position.epoch
        with contextlib.suppress(EntityTooLarge):
            return draft.encode(epoch)
        if not self._careful:
            self._careful = draft.decided
            return None
        nothing = Draft(self._entities, self._registry, self._policy)
        code = EntityTooLarge.__name__
        draft.answers = [(one, Reply(409, code, one.id, {})) for one, _ in draft.answers]
        if draft.last is not None:
            draft.dead.append(DeadLetter(draft.last, "DECIDE", code, "it would exceed 1 MB"))
        if draft.last_due is not None:
            draft.give_up_due(*draft.last_due)
            nothing.stale_hints = draft.stale_hints
        return nothing.encode(epoch)

    async def _repair(self) -> None:
        """Appends every key again that a stale record touched, before compaction prefers it."""
        stale = deque(self.store.stale_keys())
        while stale:
            draft = Draft(self._entities, self._registry, self._policy)
            taken: list[bytes] = []
            while stale and not draft.full and len(taken) < MAX_DUE:
                taken.append(key := stale.popleft())
                if key[:1] in self._registry.by_prefix:
                    draft.reappend(key)
            encoded = draft.encode(self.store.position.epoch)
            for key in taken:
                encoded.changes.drop(STALE + key)
            await self._append(draft, encoded, self.watermark)
            LEDGER.repaired.inc(len(encoded.records))


def _fail_answers(draft: Draft, cause: Exception) -> None:
    for request, _ in draft.answers:
        fail(request, cause)
