"""Inspection: what the emulator holds, for assertions of tests."""

from typing import Any

from aiohttp import web

from deploy.sandbox import invariants, order_views
from deploy.sandbox.participant import Participant
from deploy.sandbox.world import World


async def orders(_world: World, who: Participant, request: web.Request) -> Any:
    wanted = request.query.get("production_order_id")
    now = who.clock.now_ms()
    return [
        order_views.inspected(order, now)
        for order in who.orders.values()
        if wanted is None or (order.production_order_id or "").startswith(wanted)
    ]


async def ledger(_world: World, who: Participant, request: web.Request) -> Any:
    """Codes handed out, block by block, in the order of hand-out."""
    wanted = request.query.get("order_id")
    return [
        {
            "block_id": block.block_id,
            "order_id": block.order_id,
            "gtin": block.gtin,
            "issued_ms": block.issued_ms,
            "by": block.by,
            "sha256": block.sha256,
            "retries": len(block.retried),
            "codes": block.codes,
        }
        for block in who.blocks.values()
        if wanted in {None, block.order_id}
    ]


async def codes(_world: World, who: Participant, request: web.Request) -> Any:
    """Status of each handed-out code by КИ."""
    wanted, now = request.query.get("order_id"), who.clock.now_ms()
    applied = who.clock.span_ms(who.switches.delays.applied)
    return {
        ki: code.status(now, applied)
        for ki, code in who.codes.items()
        if wanted in {None, code.order_id}
    }


async def documents(_world: World, who: Participant, _request: web.Request) -> Any:
    return [
        {
            "number": document.number,
            "type": document.kind,
            "status": document.status,
            "errors": document.errors,
            "history": document.history,
            "kis": len(document.kis),
            "production_order_id": document.production_order_id,
            "body": document.body.decode(errors="replace"),
        }
        for document in who.documents.values()
    ]


async def reports(_world: World, who: Participant, _request: web.Request) -> Any:
    return [
        {
            "report_id": report.report_id,
            "kind": report.kind,
            "status": report.status,
            "history": report.history,
            "production_order_id": report.production_order_id,
            "sntins": len(report.sntins),
            "results": report.results,
        }
        for report in who.reports.values()
    ]


async def journal(_world: World, who: Participant, request: web.Request) -> Any:
    if request.method == "DELETE":
        who.journal.entries.clear()
    query = request.query
    limit = min(int(query.get("limit", "1000")), 5000)
    chosen = who.journal.select(query.get("operation"), int(query.get("after", "0")), limit)
    return [entry.shown() for entry in chosen]


async def secrets(_world: World, who: Participant, _request: web.Request) -> Any:
    """Every token, key and full code given out: none may turn up anywhere else."""
    return {
        "tokens": list(who.tokens.tokens),
        "apikeys": [who.apikey],
        "codes": [text for block in who.blocks.values() for text in block.codes],
    }


async def verdict(_world: World, who: Participant, _request: web.Request) -> Any:
    return invariants.verdict(who)
