"""Codes: counters first, lost blocks next, then a new block; every block stored exactly once."""

import hashlib
from typing import Any

import msgspec

from app.domain.marking.code import is_well_formed, ki_of
from app.domain.marking.order import Hold
from app.domain.marking.station import block_size, missing
from app.domain.marking.view import Operation
from app.integrations import suz
from app.integrations.errors import InvalidRequest, NotFound, Refused, Upstream
from app.integrations.requests import Access
from app.integrations.suz_answers import CodesBlock
from app.marking import audit, calls
from app.marking.attempts import Attempt, access_to, make
from app.marking.audit import Entry, Event
from app.marking.calls import CallRow, NewCall
from app.marking.database import Transaction, as_json, raw
from app.marking.desk import AGAIN, Desk, Next, Until, Work
from app.marking.failures import pause
from app.marking.leases import lock_orders
from app.marking.metrics import CODES_DUPLICATE, CODES_MALFORMED, CODES_RECOVERED, CODES_STORED
from app.marking.notices import tell_malformed
from app.marking.observing import Seen, apply, look_now, refresh_status, station_row
from app.marking.sealing import Sealer, block_place
from app.marking.views import load_buffers

CODES_AN_INSERT = 5_000


class Place(msgspec.Struct, frozen=True):
    """Where a block belongs: the order, its row at the station, the station's number, GTIN."""

    order_id: str
    row_id: str
    suz_order_id: str
    gtin: str
    version: int


class Kept(msgspec.Struct, frozen=True):
    """`code`: the hold this block asks for, None: all is well."""

    new: bool
    code: str | None = None


async def place_of(tx: Transaction, work: Work, gtin: str) -> Place:
    row = await station_row(tx, work.row.id)
    return Place(work.row.id, row["id"], row["suz_order_id"], gtin, work.row.version)


async def collect(desk: Desk, work: Work, gtin: str) -> Next:
    """One pass over a buffer up to the plan of its next block."""
    async with desk.database.transaction() as tx:
        place = await place_of(tx, work, gtin)
    access = await access_to(desk, work, Upstream.SUZ)
    if not await read_counters(desk, work, access=access, place=place):
        return await pause(desk, work, Hold.ATTENTION, code="order-unknown")
    async with desk.database.transaction() as tx:
        buffers = await load_buffers(tx, place.row_id)
    buffer = next(b for b in buffers if b.gtin == gtin)
    if missing(buffer) > buffer.lost:
        return await recover(desk, work, access=access, place=place)
    available = buffer.available or 0
    if available <= 0:
        return Until(work.now + desk.rules.suz_poll_ms)
    terms = desk.terms
    quantity = block_size(available, block=terms.suz_codes_block, tail=terms.suz_tail_block)
    subject = f"{place.row_id}:{gtin}"
    new = NewCall(work.row.participant_id, work.row.id, Operation.FETCH_CODES, subject, quantity)
    async with desk.database.transaction() as tx:
        await calls.plan(tx, new)
    desk.crash.passed(Operation.FETCH_CODES, "planned")
    return AGAIN


async def read_counters(desk: Desk, work: Work, *, access: Access, place: Place) -> bool:
    """What the station tells of the buffer now, written too; False: it knows no such order."""
    client, number = desk.clients.suz, place.suz_order_id
    try:
        answer = await suz.order_status(client, access, order_id=number, gtin=place.gtin)
    except NotFound:
        return False
    async with desk.database.transaction() as tx:
        await apply(tx, place.row_id, Seen(work.now, answer.value))
    desk.crash.passed("observed", "committed")
    return True


async def fetch(desk: Desk, work: Work, call: CallRow) -> Next:
    """Ask for the planned number of new codes and store the block."""
    gtin = call.subject_id.rsplit(":", 1)[1]
    async with desk.database.transaction() as tx:
        place = await place_of(tx, work, gtin)
    access = await access_to(desk, work, Upstream.SUZ)
    codes: list[str] = []

    async def keep(tx: Transaction, answer: Any) -> None:
        kept = await store_block(
            tx, desk.sealer, place=place, block=answer.value, body=answer.body, source="codes"
        )
        await calls.answered(tx, call.id, answer)
        codes[:] = [kept.code] if kept.code else []

    async def refused(refusal: Refused) -> Next:
        seen = await look_now(desk, work)
        if seen is None:
            return await pause(desk, work, Hold.ATTENTION, code="order-unknown")
        if any(b.buffer_status == "CLOSED" and b.gtin.rjust(14, "0") == gtin for b in seen):
            return AGAIN
        shown: dict[str, Any] = {"detail": refusal.failure.text}
        return await pause(desk, work, Hold.ATTENTION, code="codes-refused", **shown)

    attempt = Attempt(
        Operation.FETCH_CODES,
        call.id,
        send=lambda claim: suz.fetch_codes(
            desk.clients.suz,
            access,
            order_id=place.suz_order_id,
            gtin=gtin,
            quantity=call.quantity or 1,
            claim=claim,
        ),
        keep=keep,
        refused=refused,
    )
    result = await make(desk, work, attempt)
    return await pause(desk, work, Hold.ATTENTION, code=codes[0]) if codes else result


async def store_block(
    tx: Transaction,
    sealer: Sealer,
    *,
    place: Place,
    block: CodesBlock,
    body: bytes,
    source: str,
) -> Kept:
    """Block and codes in one transaction; a block known already changes nothing."""
    await lock_orders(tx, [place.order_id])
    content = hashlib.sha256(msgspec.json.encode(block.codes)).digest()
    new = await tx.execute(
        """insert into marking.code_blocks (block_id, suz_order_id, gtin, quantity, body_enc,
               sha256, source) values (%(block)s, %(row)s, %(gtin)s, %(quantity)s, %(body)s,
               %(sha)s, %(source)s) on conflict (block_id) do nothing""",
        block=block.block_id,
        row=place.row_id,
        gtin=place.gtin,
        quantity=len(block.codes),
        body=sealer.seal_packed(body, place=block_place(block.block_id)),
        sha=content,
        source=source,
    )
    if not new:
        known = await tx.value(
            "select sha256 from marking.code_blocks where block_id = %(id)s", id=block.block_id
        )
        return Kept(new=False, code=None if raw(known) == content else "block-changed")
    doubles = await _insert_codes(tx, place, block)
    await _count(tx, place, block, source=source, doubles=doubles)
    return Kept(new=True, code="code-duplicate" if doubles else None)


async def _insert_codes(tx: Transaction, place: Place, block: CodesBlock) -> int:
    """How many of the codes are known from another block."""
    rows = [
        {"ki": ki_of(code), "pos": pos, "malformed": not is_well_formed(code, place.gtin)}
        for pos, code in enumerate(block.codes)
    ]
    stored = 0
    for start in range(0, len(rows), CODES_AN_INSERT):
        stored += await tx.execute(
            """insert into marking.codes (ki, gtin, order_id, block_id, pos, malformed)
               select r.ki, %(gtin)s, %(order)s, %(block)s, r.pos, r.malformed
               from jsonb_to_recordset(%(rows)s) as r(ki text, pos int, malformed boolean)
               on conflict (ki) do nothing""",
            gtin=place.gtin,
            order=place.order_id,
            block=block.block_id,
            rows=as_json(rows[start : start + CODES_AN_INSERT]),
        )
    malformed = sum(row["malformed"] is True for row in rows)
    if malformed:
        await tell_malformed(tx, place.order_id, malformed)
    CODES_STORED.inc(stored)
    CODES_MALFORMED.inc(malformed)
    CODES_DUPLICATE.inc(len(rows) - stored)
    return len(rows) - stored


async def _count(
    tx: Transaction, place: Place, block: CodesBlock, *, source: str, doubles: int
) -> None:
    quantity = len(block.codes)
    if source == "retry":
        CODES_RECOVERED.inc(quantity)
    await tx.execute(
        """update marking.suz_orders set collected_at = clock_timestamp() where id = %(id)s""",
        id=place.row_id,
    )
    await tx.execute(
        """update marking.orders set waited_s = 0 where id = %(id)s""", id=place.order_id
    )
    await refresh_status(tx, place.row_id, gtin=place.gtin)
    details = {
        "block_id": block.block_id,
        "gtin": place.gtin,
        "quantity": quantity,
        "source": source,
        "duplicates": doubles,
    }
    entry = Entry("codes.block_stored", "worker", None, place.order_id, subject=block.block_id)
    await audit.write(tx, msgspec.structs.replace(entry, details=details))
    event = Event("marking.codes.stored", place.order_id, 0, details, mark=block.block_id)
    await audit.announce(tx, event)


async def recover(desk: Desk, work: Work, *, access: Access, place: Place) -> Next:
    """Codes were handed out that are not here: fetch their blocks again, one by one."""
    found = await recover_blocks(desk, work, access=access, place=place)
    if found.held is not None:
        return await pause(desk, work, Hold.ATTENTION, code=found.held)
    async with desk.database.transaction() as tx:
        buffers = await load_buffers(tx, place.row_id)
        buffer = next(b for b in buffers if b.gtin == place.gtin)
        lost = missing(buffer)
        if lost <= buffer.lost:
            return AGAIN
        await mark_lost(tx, place, lost)
    if found.closed:
        return AGAIN
    return await pause(desk, work, Hold.ATTENTION, code="codes-missing", missing=lost)


async def mark_lost(tx: Transaction, place: Place, lost: int) -> None:
    await tx.execute(
        """update marking.buffers set lost = %(lost)s
           where suz_order_id = %(id)s and gtin = %(gtin)s""",
        lost=lost,
        id=place.row_id,
        gtin=place.gtin,
    )


class Recovered(msgspec.Struct, frozen=True):
    """`complete`: the list of blocks was read whole; `closed`: the order gives none any more."""

    blocks: int
    complete: bool = True
    closed: bool = False
    held: str | None = None


async def recover_blocks(desk: Desk, work: Work, *, access: Access, place: Place) -> Recovered:
    """Retry every block of the buffer that is not stored."""
    del work
    client, count, held = desk.clients.suz, 0, None
    try:
        listed = await suz.code_blocks(client, access, order_id=place.suz_order_id, gtin=place.gtin)
        async with desk.database.transaction() as tx:
            known = await _known_blocks(tx, place)
        for info in listed.value.blocks:
            if info.block_id in known:
                continue
            answer = await suz.codes_retry(client, access, block_id=info.block_id)
            kept = await desk.database.until_committed(_keeping(desk, place, answer))
            count += kept.new
            held = kept.code or held
    except (InvalidRequest, NotFound):
        return Recovered(count, closed=True, held=held)
    return Recovered(count, held=held)


async def _known_blocks(tx: Transaction, place: Place) -> set[str]:
    rows = await tx.rows(
        """select block_id from marking.code_blocks
           where suz_order_id = %(id)s and gtin = %(gtin)s""",
        id=place.row_id,
        gtin=place.gtin,
    )
    return {row["block_id"] for row in rows}


def _keeping(desk: Desk, place: Place, answer: Any) -> Any:
    async def keep(tx: Transaction) -> Kept:
        return await store_block(
            tx, desk.sealer, place=place, block=answer.value, body=answer.body, source="retry"
        )

    return keep
