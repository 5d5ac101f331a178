"""The end of a document, by whoever brings it: stored and told to those who listen."""

from collections.abc import Sequence

from app.domain.marking.document import DocumentStatus
from app.marking import audit
from app.marking.audit import Event
from app.marking.database import Row, Transaction, as_json


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
