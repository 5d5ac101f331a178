"""Which documents at True API are ours: by our number in them, or by their set of codes."""

from typing import Any

import msgspec

from app.domain.marking.bodies import production_order_id
from app.domain.marking.document import DocumentPurpose
from app.integrations import true_api
from app.integrations.errors import Upstream
from app.integrations.true_api_answers import DocumentEntry, DocumentInfo
from app.marking.attempts import access_to
from app.marking.calls import CallRow
from app.marking.database import ms
from app.marking.desk import Desk, Work

HOUR_MS = 3_600_000
MOST_PAGES = 50


class Ours(msgspec.Struct, frozen=True):
    purpose: DocumentPurpose
    order_id: str
    codes: frozenset[str]

    def is_in(self, info: DocumentInfo) -> bool:
        """A preorder is known by our number in it, every other document by its set of codes."""
        document = info.document or {}
        if self.purpose is DocumentPurpose.PREORDER:
            return document.get("production_order_id") == production_order_id(self.order_id)
        products = document.get("products") or []
        named = {
            str(product.get("uit_code") or product.get("cis"))
            for product in products
            if isinstance(product, dict)
        }
        return bool(self.codes) and (named | set(document.get("sntins") or ())) == self.codes


async def matching_documents(
    desk: Desk, work: Work, call: CallRow, *, row: dict[str, Any], ours: Ours
) -> list[DocumentEntry]:
    """Documents like ours whose number nobody has adopted yet, the oldest first."""
    access = await access_to(desk, work, Upstream.TRUE_API)
    since = (ms(call.remote_date) or ms(call.claimed_at) or work.now) - HOUR_MS
    matches: list[DocumentEntry] = []
    after: tuple[str, str] | None = None
    for _ in range(MOST_PAGES):
        answer = await true_api.document_list(
            desk.clients.true_api,
            access,
            sender_inn=work.participant.inn,
            date_from_ms=since,
            document_type=row["type"],
            after=after,
        )
        for entry in await _unknown(desk, answer.value.results):
            info = await true_api.document_info(desk.clients.true_api, access, number=entry.number)
            matches += [entry] if ours.is_in(info.value) else []
        results = answer.value.results
        if not answer.value.next_page or not results:
            break
        after = (results[-1].number, results[-1].doc_date or "")
    return matches


async def _unknown(desk: Desk, entries: list[DocumentEntry]) -> list[DocumentEntry]:
    rows = await desk.database.rows(
        """select number::text as number from marking.documents
           where number = any(%(numbers)s::uuid[])
           union select remote_id::text from marking.calls
           where remote_id = any(%(numbers)s::uuid[])""",
        numbers=[entry.number for entry in entries],
    )
    known = {row["number"] for row in rows}
    return [entry for entry in entries if entry.number.lower() not in known]
