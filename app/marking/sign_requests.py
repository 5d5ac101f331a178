"""Bytes that wait for a signature: made with the frozen bytes, answered by any signer."""

import hashlib
from typing import Any

import msgspec

from app.domain.marking.view import Operation
from app.marking import audit
from app.marking.audit import Entry
from app.marking.database import Database, Transaction, as_json, raw
from app.marking.errors import NotFoundError, OrderStateError
from app.marking.ids import new_id
from app.marking.leases import lock_orders, wake
from app.marking.metrics import SIGN_WAIT
from app.marking.sealing import Sealer, request_place

PURPOSES: dict[Operation, str] = {
    Operation.SUBMIT_DOCUMENT: "document",
    Operation.CREATE_ORDER: "suz_order",
    Operation.CLOSE_ORDER: "suz_close",
    Operation.SEND_REPORT: "suz_report",
}


class SignRequest(msgspec.Struct, frozen=True):
    """One request; `payload` are the exact bytes to sign."""

    id: str
    participant_id: str
    purpose: str
    state: str
    detached: bool
    payload_sha256: bytes
    payload: bytes | None
    order_id: str | None = None
    subject_id: str | None = None
    context: dict[str, Any] = {}
    signature: bytes | None = None


class NewRequest(msgspec.Struct, frozen=True):
    participant_id: str
    purpose: str
    payload: bytes
    detached: bool
    order_id: str | None = None
    subject_id: str | None = None
    context: dict[str, Any] = {}
    lives_ms: int | None = None


async def create(tx: Transaction, new: NewRequest, *, sealer: Sealer) -> str:
    """The id of the request; an older one of the same subject and purpose is cancelled."""
    request = new_id()
    if new.subject_id is not None:
        await cancel(tx, new.subject_id, purpose=new.purpose)
    await tx.execute(
        """insert into marking.sign_requests (id, participant_id, purpose, order_id, subject_id,
               context, payload_enc, payload_sha256, detached, state, expires_at)
           values (%(id)s, %(participant_id)s, %(purpose)s, %(order_id)s, %(subject_id)s,
               %(context)s, %(payload_enc)s, %(sha)s, %(detached)s, 'PENDING',
               clock_timestamp() + %(lives_ms)s * interval '1 millisecond')""",
        id=request,
        participant_id=new.participant_id,
        purpose=new.purpose,
        order_id=new.order_id,
        subject_id=new.subject_id,
        context=as_json(new.context),
        payload_enc=sealer.seal_packed(new.payload, place=request_place(request)),
        sha=hashlib.sha256(new.payload).digest(),
        detached=new.detached,
        lives_ms=new.lives_ms,
    )
    return request


async def cancel(tx: Transaction, subject_id: str, *, purpose: str) -> int:
    """A corrected, cancelled or finished subject needs no signature any more."""
    return await tx.execute(
        """update marking.sign_requests set state = 'CANCELLED'
           where subject_id = %(subject)s and purpose = %(purpose)s
                 and state in ('PENDING', 'SIGNED')""",
        subject=subject_id,
        purpose=purpose,
    )


async def cancel_of_order(tx: Transaction, order_id: str) -> int:
    return await tx.execute(
        """update marking.sign_requests set state = 'CANCELLED'
           where order_id = %(order_id)s and state in ('PENDING', 'SIGNED')""",
        order_id=order_id,
    )


async def load(source: Database | Transaction, request_id: str, *, sealer: Sealer) -> SignRequest:
    """Raises NotFoundError; the payload is None once retention has removed it."""
    row = await source.one("select * from marking.sign_requests where id = %(id)s", id=request_id)
    if row is None:
        raise NotFoundError(f"sign request {request_id} does not exist")
    return _request(row, sealer)


def _request(row: dict[str, Any], sealer: Sealer) -> SignRequest:
    sealed, signature = row["payload_enc"], row["signature"]
    place = request_place(row["id"])
    return SignRequest(
        id=row["id"],
        participant_id=row["participant_id"],
        purpose=row["purpose"],
        state=row["state"],
        detached=row["detached"],
        payload_sha256=raw(row["payload_sha256"]),
        payload=None if sealed is None else sealer.open_packed(raw(sealed), place=place),
        order_id=row["order_id"],
        subject_id=row["subject_id"],
        context=row["context"],
        signature=None if signature is None else raw(signature),
    )


async def pending(source: Database, participant_id: str, *, sealer: Sealer) -> list[SignRequest]:
    """At most 200 requests that a person may sign now, the oldest first."""
    rows = await source.rows(
        """select * from marking.sign_requests
           where participant_id = %(participant)s and state = 'PENDING'
                 and (expires_at is null or expires_at > now())
           order by created_at limit 200""",
        participant=participant_id,
    )
    return [_request(row, sealer) for row in rows]


async def of_subject(
    source: Database | Transaction, subject_id: str, *, purpose: str, sealer: Sealer
) -> SignRequest | None:
    """The newest live request of a subject."""
    row = await source.one(
        """select * from marking.sign_requests
           where subject_id = %(subject)s and purpose = %(purpose)s
                 and state in ('PENDING', 'SIGNED', 'USED')
           order by created_at desc, id desc limit 1""",
        subject=subject_id,
        purpose=purpose,
    )
    return None if row is None else _request(row, sealer)


class Signed(msgspec.Struct, frozen=True):
    """A checked signature and whose it is."""

    cms: bytes
    signer_subject: str | None = None
    thumbprint: str | None = None
    signed_by: str = "worker"


async def store_signature(tx: Transaction, request_id: str, signed: Signed) -> bool:
    """PENDING → SIGNED and the order is woken; False: these very bytes were stored before."""
    order_id = await tx.value(
        "select order_id from marking.sign_requests where id = %(id)s", id=request_id
    )
    if order_id is not None:
        await lock_orders(tx, [order_id])
    row = await tx.one(
        """select state, signature, order_id, participant_id, purpose, created_at,
                  expires_at is not null and expires_at <= clock_timestamp() as late
           from marking.sign_requests where id = %(id)s for update""",
        id=request_id,
    )
    if row is None:
        raise NotFoundError(f"sign request {request_id} does not exist")
    if row["signature"] is not None and raw(row["signature"]) == signed.cms:
        return False
    if row["state"] != "PENDING" or row["late"]:
        state = "EXPIRED" if row["late"] else row["state"]
        raise OrderStateError(f"sign request {request_id} is {state}, not PENDING")
    waited = await tx.value(
        """update marking.sign_requests set state = 'SIGNED', signature = %(cms)s,
               signer_subject = %(subject)s, thumbprint = %(thumbprint)s,
               signed_by = %(signed_by)s
           where id = %(id)s
           returning extract(epoch from clock_timestamp() - created_at)::float8""",
        cms=signed.cms,
        subject=signed.signer_subject,
        thumbprint=signed.thumbprint,
        signed_by=signed.signed_by,
        id=request_id,
    )
    SIGN_WAIT.labels(row["purpose"]).observe(waited)
    entry = Entry("sign_request.signed", signed.signed_by, row["participant_id"], row["order_id"])
    details = {"purpose": row["purpose"], "thumbprint": signed.thumbprint}
    await audit.write(tx, msgspec.structs.replace(entry, subject=request_id, details=details))
    if row["order_id"] is not None:
        await wake(tx, row["order_id"])
    return True
