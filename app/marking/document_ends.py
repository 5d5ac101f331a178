"""The end of a document, by whoever brings it: stored and told to those who listen."""

from collections.abc import Sequence

from app.domain.marking.document import DocumentStatus
from app.domain.marking.order import OrderStatus
from app.marking import audit
from app.marking.audit import Event
from app.marking.database import Row, Transaction, as_json
from app.marking.notices import OF_MOVES


async def announce_final(tx: Transaction, document: Row, status: DocumentStatus) -> None:
    """`document`: its id, order, purpose and number, and the version of the order."""
    payload = {"purpose": document["purpose"], "status": status, "number": document["number"]}
    order_id, version = document["order_id"], document["version"]
    event = Event("marking.document.final", order_id, version, payload, mark=document["id"])
    await audit.announce(tx, event)


async def refuse_document(tx: Transaction, document_id: str, *, errors: Sequence[str]) -> None:
    """It will never have a number: our own rules or True API did not take it."""
    row = await tx.one(
        """update marking.documents d set status = 'REJECTED', errors = %(errors)s,
               final_at = clock_timestamp()
           from marking.orders o where d.id = %(id)s and o.id = d.order_id
           returning d.id, d.order_id, d.purpose, d.number::text as number, o.version""",
        errors=as_json(list(errors)),
        id=document_id,
    )
    assert row is not None, "documents are never deleted"
    await announce_final(tx, row, DocumentStatus.REJECTED)


async def free_later_codes(tx: Transaction, document: Row) -> None:
    """The order has gone on: whoever asked for the document is told and may ask again."""
    order = await tx.one(
        """select participant_id from marking.orders
           where id = %(id)s and status in ('CLOSED', 'COMPLETED')""",
        id=document["order_id"],
    )
    if order is None:
        return
    await tx.execute(
        "update marking.document_codes set live = false where document_id = %(id)s",
        id=document["id"],
    )
    text, order_id = OF_MOVES[OrderStatus.DOC_REJECTED], document["order_id"]
    kind, participant = "document.rejected", order["participant_id"]
    await audit.notify(tx, participant, kind=kind, text=text, order_id=order_id)
