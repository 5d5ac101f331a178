"""Intents: written before a call, claimed just before it, settled by its answer or by looking."""

from datetime import datetime
from typing import Any

import msgspec

from app.domain.marking.view import Call, CallState, Operation
from app.integrations.answers import Answer
from app.integrations.errors import NotSent, Refused, RetryClass, UpstreamError
from app.marking import audit
from app.marking.audit import Entry
from app.marking.database import Database, Transaction, ms, raw
from app.marking.ids import new_id
from app.marking.leases import Lease, holds
from app.marking.sealing import Sealer, call_place
from app.marking.terms import Terms

RETRY_CLASSES: dict[Operation, RetryClass] = {
    Operation.SUBMIT_DOCUMENT: RetryClass.RECONCILE,
    Operation.CREATE_ORDER: RetryClass.RECONCILE,
    Operation.FETCH_CODES: RetryClass.RECONCILE,
    Operation.CLOSE_ORDER: RetryClass.RECONCILE,
    Operation.SEND_REPORT: RetryClass.NEVER,
}


class ClaimRefused(Exception):
    """Nothing was sent: the lease has passed, or what was to be sent is no longer current."""


class StationFull(ClaimRefused):
    """One order more would exceed the limits of the station."""


class CallRow(msgspec.Struct, frozen=True):
    id: str
    participant_id: str
    order_id: str | None
    subject_id: str
    operation: Operation
    state: CallState
    attempt: int
    quantity: int | None
    claimed_at: datetime | None
    answered_at: datetime | None
    looked_at: datetime | None
    look_now: bool
    not_before: datetime | None
    planned_at: datetime
    reconcile_step: int
    remote_date: datetime | None

    @property
    def doubtful_since(self) -> int | None:
        return ms(self.looked_at or self.answered_at or self.claimed_at)


_COLUMNS = ", ".join(CallRow.__struct_fields__)


async def load(tx: Transaction, call_id: str) -> CallRow:
    row = await tx.one(
        f"select {_COLUMNS} from marking.calls where id = %(id)s",  # noqa: S608
        id=call_id,
    )
    assert row is not None, "calls are never deleted"
    return msgspec.convert(row, CallRow)


async def open_of(tx: Transaction, order_id: str, *, terms: Terms) -> list[Call]:
    rows = await tx.rows(
        f"""select {_COLUMNS} from marking.calls
            where order_id = %(id)s and state in ('PLANNED', 'CLAIMED', 'UNKNOWN')
            order by planned_at, id""",  # noqa: S608
        id=order_id,
    )
    return [_call(msgspec.convert(row, CallRow), terms) for row in rows]


def _call(row: CallRow, terms: Terms) -> Call:
    due = ms(row.not_before)
    if row.state is CallState.UNKNOWN and row.doubtful_since is not None:
        due = None if row.look_now else max(due or 0, lookup_due(row, terms))
    return Call(
        row.id,
        row.operation,
        row.subject_id,
        row.state,
        attempt=row.attempt,
        quantity=row.quantity,
        due=due,
    )


def lookup_due(row: CallRow, terms: Terms) -> int:
    """When the delay before the next lookup that counts has passed (ms UTC)."""
    step = min(row.reconcile_step, terms.lookups - 1)
    delay = terms.scaled_ms(terms.marking_reconcile_delays_s[step])
    return (row.doubtful_since or 0) + delay


class NewCall(msgspec.Struct, frozen=True):
    participant_id: str
    order_id: str
    operation: Operation
    subject_id: str
    quantity: int | None = None


async def plan(tx: Transaction, new: NewCall) -> str:
    """The id of the one open intent of this operation and subject."""
    planned = await tx.value(
        """insert into marking.calls (id, participant_id, order_id, subject_id, operation,
               retry_class, state, attempt, quantity)
           select %(id)s, %(participant)s, %(order)s, %(subject)s, %(operation)s, %(retry)s,
                  'PLANNED', 1 + count(*), %(quantity)s
           from marking.calls where operation = %(operation)s and subject_id = %(subject)s
           on conflict (operation, subject_id) where state in ('PLANNED', 'CLAIMED', 'UNKNOWN')
               do nothing
           returning id""",
        id=new_id(),
        participant=new.participant_id,
        order=new.order_id,
        subject=new.subject_id,
        operation=new.operation,
        retry=RETRY_CLASSES[new.operation],
        quantity=new.quantity,
    )
    if planned is not None:
        return str(planned)
    standing = await tx.value(
        """select id from marking.calls where operation = %(operation)s
               and subject_id = %(subject)s and state in ('PLANNED', 'CLAIMED', 'UNKNOWN')""",
        operation=new.operation,
        subject=new.subject_id,
    )
    return str(standing)


async def claim(tx: Transaction, lease: Lease, call_id: str, *, body_sha256: bytes | None) -> None:
    """PLANNED → CLAIMED under the lease; raises ClaimRefused and then nothing is sent."""
    if not await holds(tx, lease):
        raise ClaimRefused("the lease has passed")
    touched = await tx.execute(
        """update marking.calls c set state = 'CLAIMED', claimed_at = clock_timestamp(),
               worker = %(worker)s, lease_seq = %(seq)s, body_sha256 = %(sha)s,
               not_before = null, remote_date = marking.remote_now(c.participant_id)
           where id = %(id)s and state = 'PLANNED'""",
        worker=lease.owner,
        seq=lease.seq,
        sha=body_sha256,
        id=call_id,
    )
    if touched == 0:
        raise ClaimRefused("the call is no longer planned")


async def require_signature(
    tx: Transaction, subject_id: str, *, purpose: str, body_sha256: bytes
) -> None:
    """The signature covers exactly the bytes that go out, and nobody has withdrawn it."""
    row = await tx.one(
        """select payload_sha256 from marking.sign_requests
           where subject_id = %(subject)s and purpose = %(purpose)s
                 and state in ('SIGNED', 'USED')
           order by created_at desc, id desc limit 1 for update""",
        subject=subject_id,
        purpose=purpose,
    )
    if row is None:
        raise ClaimRefused(f"{purpose} {subject_id}: no valid signature")
    if raw(row["payload_sha256"]) != body_sha256:
        raise ClaimRefused(f"{purpose} {subject_id}: other bytes than those signed")
    await tx.execute(
        """update marking.sign_requests set state = 'USED'
           where subject_id = %(subject)s and purpose = %(purpose)s and state = 'SIGNED'""",
        subject=subject_id,
        purpose=purpose,
    )


async def answered(
    tx: Transaction,
    call_id: str,
    answer: Answer[Any],
    *,
    remote_id: str | None = None,
    sealer: Sealer | None = None,
) -> None:
    """The effect outside is certain; stored even after the lease has passed.

    `sealer`: keeps the answer as it came, for those who have to argue about it.
    """
    kept = None if sealer is None else sealer.seal_packed(answer.body, place=call_place(call_id))
    await tx.execute(
        """update marking.calls set state = 'ANSWERED', answered_at = clock_timestamp(),
               http_status = %(status)s, remote_request_id = %(request)s, error = null,
               remote_id = coalesce(%(remote_id)s::uuid, remote_id), answer_enc = %(kept)s
           where id = %(id)s and state in ('PLANNED', 'CLAIMED', 'UNKNOWN')""",
        kept=kept,
        status=answer.http_status,
        request=answer.request_id,
        remote_id=remote_id,
        id=call_id,
    )
    await _note(tx, call_id, "call.answered", http_status=answer.http_status)


async def settle(
    tx: Transaction, call_id: str, state: CallState, *, remote_id: str | None = None
) -> None:
    """The result of looking: FOUND or ABSENT, or REFUSED of a call given up unsent."""
    await tx.execute(
        """update marking.calls set state = %(state)s, looked_at = clock_timestamp(),
               reconcile_step = reconcile_step + 1,
               remote_id = coalesce(%(remote_id)s::uuid, remote_id)
           where id = %(id)s and state in ('PLANNED', 'CLAIMED', 'UNKNOWN', 'ABSENT')""",
        state=state,
        remote_id=remote_id,
        id=call_id,
    )
    await _note(tx, call_id, f"call.{state.lower()}", remote_id=remote_id)


async def doubt(tx: Transaction, call_id: str, *, error: str, http_status: int | None) -> None:
    """CLAIMED → UNKNOWN: it may have happened."""
    touched = await tx.execute(
        """update marking.calls set state = 'UNKNOWN', answered_at = clock_timestamp(),
               error = %(error)s, http_status = %(status)s, doubted = true
           where id = %(id)s and state = 'CLAIMED'""",
        error=error,
        status=http_status,
        id=call_id,
    )
    if touched:
        await _note(tx, call_id, "call.unknown", error=error, http_status=http_status)


async def doubt_all(database: Database, *, owner: str) -> None:
    """A worker that ends leaves what it still waits for in doubt."""
    async with database.transaction() as tx:
        rows = await tx.rows(
            "select id from marking.calls where worker = %(owner)s and state = 'CLAIMED'",
            owner=owner,
        )
        for row in rows:
            await doubt(tx, row["id"], error="the worker was stopped", http_status=None)


async def failed(
    tx: Transaction, call_id: str, error: UpstreamError, *, again_ms: int
) -> CallState:
    """The state the error means: not sent → PLANNED, refused → REFUSED, else UNKNOWN."""
    failure = error.failure
    if isinstance(error, NotSent):
        await tx.execute(
            """update marking.calls set state = 'PLANNED', claimed_at = null, error = %(error)s,
                   not_before = clock_timestamp() + %(again)s * interval '1 millisecond'
               where id = %(id)s and state in ('PLANNED', 'CLAIMED')""",
            error=failure.text,
            again=again_ms,
            id=call_id,
        )
        await _note(tx, call_id, f"call.{error.outcome}", http_status=failure.http_status)
        return CallState.PLANNED
    if isinstance(error, Refused):
        await tx.execute(
            """update marking.calls set state = 'REFUSED', answered_at = clock_timestamp(),
                   error = %(error)s, http_status = %(status)s, remote_request_id = %(request)s
               where id = %(id)s and state in ('PLANNED', 'CLAIMED')""",
            error=failure.text,
            status=failure.http_status,
            request=failure.request_id,
            id=call_id,
        )
        shown = {"http_status": failure.http_status, "error": failure.text}
        await _note(tx, call_id, "call.refused", **shown)
        return CallState.REFUSED
    await doubt(tx, call_id, error=failure.text, http_status=failure.http_status)
    return CallState.UNKNOWN


async def _note(tx: Transaction, call_id: str, action: str, **details: Any) -> None:
    row = await tx.one(
        """select participant_id, order_id, operation, remote_request_id
           from marking.calls where id = %(id)s""",
        id=call_id,
    )
    assert row is not None, "calls are never deleted"
    known = {"operation": row["operation"], "request_id": row["remote_request_id"], **details}
    entry = Entry(action, "worker", row["participant_id"], row["order_id"], call_id=call_id)
    await audit.write(tx, msgspec.structs.replace(entry, details=known))
