"""What stands beside a state: written with it, read on demand, repaired like it."""

from pathlib import Path

import pytest

from app.contracts import wire
from app.contracts.topics import JOURNAL
from app.domain.certificates.entities import CERTIFICATE, ENTITIES
from app.domain.certificates.kept_holds import all_holds
from app.domain.certificates.state import Certificate, Hold, HoldState
from app.domain.decision import LostPage, Reply
from app.domain.policy import Policy
from tables import entities
from tables.draft import Draft, Request
from tables.entities import Entities, Held, Registry
from tables.errors import OutcomeUnknown
from tables.journal import FencedWriter
from tables.store import Changes, Position, SharedMemory, Store
from tests.contracts.engine import ENTITY, Deposit, fresh_partition, journal, key_on, until, worker


async def test_a_page_is_written_in_the_commit_of_its_state_and_only_then(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, tmp_path) as one:
        await one.own(partition)
        await one.serving(partition)
        await one.deposit(key, 5, id="d1", page=3)
        await one.deposit(key, 2, id="d2")
        assert (await one.read(key), await one.read(key, page=3)) == (7, 5)
        with pytest.raises(LostPage):
            await one.read(key, page=4)
        await one.deposit(key, 1, id="d3", page=3)
        assert await one.read(key, page=3) == 8
    keys = [record.key for record in await journal(kafka, partition)]
    state, page = b"a" + key.encode(), b"p" + key.encode() + b"/3"
    written = [one for one in keys if one in {state, page}]
    assert written == [state, page, state, state, page]
    assert keys[keys.index(page) + 1] == wire.META_KEY


async def test_a_page_that_a_fenced_owner_slipped_in_is_repaired(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    page = b"p" + key.encode() + b"/3"
    async with worker(kafka, tmp_path) as one:
        await one.own(partition)
        await one.serving(partition)
        await one.deposit(key, 5, id="d1", page=3)
        stale = wire.encode([1, 0, 9, 1_000_000, [], []])
        foreign = FencedWriter(one.link, f"foreign-{partition}")
        await foreign.open()
        await foreign.append(JOURNAL, partition, [(page, stale, ())])
        with pytest.raises(OutcomeUnknown):
            await one.deposit(key, 1, id="d2")
        await until(lambda: partition not in one.ledger.open)
        await one.serving(partition)
        assert await one.read(key, page=3) == 5
    last = [record.value for record in await journal(kafka, partition) if record.key == page][-1]
    assert bytes(wire.decode_journal(last).state) == wire.encode(5)


class Unreadable:
    """A store that has lost its pages to the disk."""

    def get(self, key: bytes) -> bytes | None:
        if key.startswith(b"p"):
            raise OSError("input/output error")
        return None


async def test_no_state_is_written_without_its_page() -> None:
    registry = Registry((ENTITY,))
    draft = Draft(Entities(Unreadable(), registry), registry, Policy())  # type: ignore[arg-type]
    for n, page in enumerate((3, None)):
        request = Request("k1", Deposit(5, page=page), command_id=f"d{n}", now=1, deadline=1.0)
        draft.answer(request, 1)
    failed, done = (answer for _, answer in draft.answers)
    assert isinstance(failed, OSError)
    assert isinstance(done, Reply)
    assert done.fields == {"balance": 5}
    assert len(draft.encode(1).records) == 1


def test_the_cache_forgets_the_oldest_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities, "CACHE_BYTES", 300)
    read: list[bytes] = []

    class Noting:
        def get(self, key: bytes) -> bytes | None:
            read.append(key)
            return None

    cached = Entities(Noting(), Registry((ENTITY,)))  # type: ignore[arg-type]
    for n in range(5):
        cached.keep(b"a%d" % n, Held(n, 1, 100, None))
    cached.keep(b"a2", Held(20, 2, 100, None))
    found = [cached.load(b"a%d" % n, ENTITY).state for n in range(5)]
    assert found == [None, None, 20, 3, 4]
    assert read == [b"a0", b"a1"]


def test_a_certificate_of_schema_1_is_read_as_one_of_today(tmp_path: Path) -> None:
    """There, closed holds stood among the open ones."""
    hold = Hold(1, "r1", "till", "S17", "T2", "POS", 10, 10, 0, 1, 2, 10, 0, HoldState.CAPTURED, 5)
    held = Hold(2, "r2", "till", "S17", "T2", "POS", 10, 10, 10, 3, 4)
    old = Certificate(last4="R6N4", holds=(hold, held), held=10, captured=10)
    key = b"cgc_1"
    store = Store(tmp_path / "store", ledger="test", memory=SharedMemory())
    for schema in (1, wire.STATE_SCHEMA):
        record = wire.JournalRecord(schema, 1, 1, old, ())  # type: ignore[arg-type]
        changes = Changes()
        changes.put(key, wire.encode(record))
        store.apply(changes, Position("test", schema))
        state = Entities(store, Registry(ENTITIES)).load(key, CERTIFICATE).state
        if schema == 1:
            assert (state.holds, all_holds(state)) == ((held,), [hold, held])
            assert state == CERTIFICATE.upgraded(old)
        else:
            assert state == old
    store.close()
