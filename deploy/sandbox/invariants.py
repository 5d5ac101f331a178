"""What must hold whatever happened: each rule yields its violations as text."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from deploy.sandbox.codes import CODE_EDGES, digest
from deploy.sandbox.documents import DOCUMENT_EDGES, OPEN, Document
from deploy.sandbox.orders import BUFFER_EDGES, ORDER_EDGES, Order
from deploy.sandbox.participant import Participant
from deploy.sandbox.reports import REPORT_EDGES

OWN_ORDER = re.compile(r"^mk-([0-9a-f]{32})-\d+$")
FOR_EVER = 1 << 62
Rule = Callable[[Participant], Iterator[str]]


def no_code_in_two_blocks(who: Participant) -> Iterator[str]:
    homes: dict[str, str] = {}
    for block in who.blocks.values():
        for text in block.codes:
            other = homes.setdefault(text, block.block_id)
            if other != block.block_id and text not in who.excused:
                yield f"{text[:31]} is in blocks {other} and {block.block_id}"


def retries_are_byte_equal(who: Participant) -> Iterator[str]:
    for block in who.blocks.values():
        changed = digest(block.codes) != block.sha256
        differing = any(sha256 != block.sha256 for sha256 in block.retried)
        if changed or (differing and block.block_id not in who.excused):
            yield f"block {block.block_id} was repeated with other codes"


def blocks_make_up_total_passed(who: Participant) -> Iterator[str]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for block in who.blocks.values():
        sums[block.order_id, block.gtin] += len(block.codes)
    for order in who.orders.values():
        for buffer in order.buffers.values():
            found = sums[order.order_id, buffer.gtin]
            if found != buffer.passed:
                yield f"order {order.order_id} {buffer.gtin}: {found} in blocks, {buffer.passed}"


def no_code_after_close(who: Participant) -> Iterator[str]:
    for block in who.blocks.values():
        order = who.orders[block.order_id]
        ended = order.ended_ms
        if ended is not None and block.issued_ms > ended:
            yield f"block {block.block_id} came after order {order.order_id} had ended"


def one_live_client_token(who: Participant) -> Iterator[str]:
    lives = [
        (t.issued_ms, min(t.expires_ms, t.ended_ms if t.ended_ms is not None else FOR_EVER))
        for t in who.tokens.tokens.values()
        if t.kind == "suz"
    ]
    for (_, end), (start, _) in pairwise(sorted(lives)):
        if start < end:
            yield "two clientTokens of one connection lived at the same time"


def only_legal_edges(who: Participant) -> Iterator[str]:
    for order in who.orders.values():
        name = f"order {order.order_id}"
        yield from _edges(name, order.history, ORDER_EDGES, first={"CREATED"})
        for buffer in order.buffers.values():
            yield from _edges(
                f"{name} {buffer.gtin}", buffer.history, BUFFER_EDGES, first={"PENDING"}
            )
    for document in who.documents.values():
        name = f"document {document.number}"
        yield from _edges(name, document.history, DOCUMENT_EDGES, first={"IN_PROGRESS"})
    for report in who.reports.values():
        name = f"report {report.report_id}"
        yield from _edges(name, report.history, REPORT_EDGES, first={"PENDING", "DRAFT"})
    for code in who.codes.values():
        yield from _edges(f"code {code.ki}", code.history, CODE_EDGES, first=set(CODE_EDGES))


def _edges(
    name: str, history: list[tuple[int, str]], edges: Any, *, first: set[str]
) -> Iterator[str]:
    if history and history[0][1] not in first:
        yield f"{name} began as {history[0][1]}"
    for (at_ms, old), (then_ms, new) in pairwise(history):
        if new not in edges.get(old, ()) or then_ms < at_ms:
            yield f"{name}: {old} at {at_ms} became {new} at {then_ms}"


def one_live_order_per_own_number(who: Participant) -> Iterator[str]:
    """Two attempts of one order must neither live at once nor both hand out codes."""
    families: dict[str, list[Order]] = defaultdict(list)
    for order in who.orders.values():
        named = OWN_ORDER.match(order.production_order_id or "")
        if named and not order.foreign:
            families[named.group(1)].append(order)
    for own, members in families.items():
        lives = sorted((o.created_ms, o.number, o.ended_ms) for o in members)
        for (_, _, ended), (created, _, _) in pairwise(lives):
            if ended is None or created < ended:
                yield f"mk-{own}: two live orders"
        if sum(any(b.passed for b in o.buffers.values()) for o in members) > 1:
            yield f"mk-{own}: two orders handed out codes"


def one_live_document_per_code(who: Participant) -> Iterator[str]:
    """Neither two live documents with one КИ and purpose nor one pre-order document twice."""
    subjects: dict[tuple[str, Any], list[Document]] = defaultdict(list)
    for document in who.documents.values():
        if document.preorder and document.production_order_id:
            subjects[document.production_order_id, document.body].append(document)
        for ki in document.kis:
            subjects[ki, document.kind].append(document)
    for (name, _), documents in subjects.items():
        lives = [
            (d.created_ms, d.sequence, FOR_EVER if d.bad_ms is None else d.bad_ms)
            for d in documents
        ]
        for (_, _, ended), (created, _, _) in pairwise(sorted(lives)):
            if created < ended:
                yield f"{name}: two live documents of one purpose"


def nothing_beyond_the_limits(who: Participant) -> Iterator[str]:
    """Sweeps the history for more queued or active orders than allowed."""
    limits = who.switches.limits
    moments: list[tuple[int, int, str]] = []
    for order in who.orders.values():
        if order.foreign:
            continue
        left = next((at for at, s in order.history if s in {"READY", "DECLINED"}), None)
        moments.append((order.created_ms, 1, "queued"))
        if left is not None:
            moments.append((left, -1, "queued"))
    count = 0
    for at_ms, step, _ in sorted(moments):
        count += step
        if count > limits.queued_orders:
            yield f"{count} queued orders at {at_ms}"


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        no_code_in_two_blocks,
        retries_are_byte_equal,
        blocks_make_up_total_passed,
        no_code_after_close,
        one_live_client_token,
        only_legal_edges,
        one_live_order_per_own_number,
        one_live_document_per_code,
        nothing_beyond_the_limits,
    )
}


def verdict(who: Participant) -> dict[str, Any]:
    """All rules with their violations, and what was seen of limits."""
    found = {name: list(rule(who)) for name, rule in RULES.items()}
    return {
        "clean": not any(found.values()),
        "violations": {name: texts for name, texts in found.items() if texts},
        "checked": list(RULES),
        "open_documents": sum(d.status in OPEN for d in who.documents.values()),
        "most_calls_in_a_window": dict(who.rates.most),
        "refused_by_limit": dict(who.rates.refused),
    }
