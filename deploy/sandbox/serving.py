"""The way of one request: journal, faults, limits, access, handler, faults, answer."""

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import formatdate

from aiohttp import web

from deploy.sandbox.access import identify, signer_of
from deploy.sandbox.answers import (
    Answer,
    RefusedError,
    as_json,
    nk_refusal,
    suz_field_refusal,
    true_api_refusal,
)
from deploy.sandbox.call import Call, Route
from deploy.sandbox.disturbances import happen, spoil, stand_in
from deploy.sandbox.faults import NOW, TRANSPORT, FaultSpec
from deploy.sandbox.journal import Entry, payload
from deploy.sandbox.rates import retry_after_s
from deploy.sandbox.world import World

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DroppedError(Exception):
    """The connection ends without an answer."""


def served(route: Route, world: World) -> WebHandler:
    """The aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call = await _call(route, world, request)
        entry = _entry(call)
        call.who.journal.entries.append(entry)
        firing = call.who.faults.take(call.operation, call.query, call.body)
        entry.faults = [spec.action for spec in firing]
        call.effects = [s for s in firing if s.action not in TRANSPORT | NOW]
        try:
            answer = await _exchange(route, call, entry, firing=firing)
        except DroppedError:
            entry.dropped = True
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        entry.status, entry.answer = answer.status, payload(answer.body)
        entry.answered_at_ms = call.now_ms
        return _response(call, entry, answer)

    return handle


async def _call(route: Route, world: World, request: web.Request) -> Call:
    body = await request.read()
    query: dict[str, str] = {}
    for name, value in request.query.items():
        query[name] = f"{query[name]},{value}" if name in query else value
    headers = {name.lower(): value for name, value in request.headers.items()}
    args = dict(request.match_info)
    who = identify(world, headers, query, connection=args.get("connection"))
    if route.operation == "true_api.sign_in_true_api":
        who = signer_of(world, body)
    return Call(
        operation=route.operation,
        upstream=route.upstream,
        method=request.method,
        path_qs=request.path_qs,
        query=query,
        headers=headers,
        args=args,
        body=body,
        world=world,
        who=who or world.anybody,
        named=who is not None,
    )


def _entry(call: Call) -> Entry:
    return Entry(
        number=call.who.journal.next_number(),
        at_ms=call.now_ms,
        operation=call.operation,
        method=call.method,
        path=call.path_qs.split("?", 1)[0],
        query=call.query,
        headers=call.headers,
        body=payload(call.body),
    )


async def _exchange(route: Route, call: Call, entry: Entry, *, firing: list[FaultSpec]) -> Answer:
    for spec in firing:
        if spec.moment == "before" and (early := await _disturb(spec, call, entry)):
            return early
    answer = handled(route, call)
    entry.committed = answer.ok
    for spec in firing:
        if spec.moment == "after":
            answer = await _disturb(spec, call, entry) or answer
        if spec.action in {"truncated_json", "wrong_type", "extra_field"}:
            answer = spoil(spec, answer)
    return answer


async def _disturb(spec: FaultSpec, call: Call, entry: Entry) -> Answer | None:
    """Delays, drops, holds; returns an answer that stands in for the real one."""
    match spec.action:
        case "latency":
            await asyncio.sleep(spec.ms / 1000)
        case "drop":
            raise DroppedError
        case "gate":
            gates = call.who.gates
            then = await gates.hold(
                call.operation, entry.number, when=spec.moment, now_ms=call.now_ms
            )
            if then == "drop":
                raise DroppedError
        case "status":
            return stand_in(spec, call.upstream)
        case action if action in NOW:
            happen(spec, call)
    return None


def handled(route: Route, call: Call) -> Answer:
    """Runs the checks of the gateway, of access and of the method itself."""
    try:
        _check_form(route, call)
        _check_rate(call)
        route.guard(call)
        for who in call.world.everybody():
            if who is call.who or call.operation == "true_api.cises_info":
                who.settle(who.clock.now_ms())
        answer = route.handler(call)
    except RefusedError as refusal:
        answer = refusal.answer
    if call.upstream == "nk" and call.named:
        limits = call.who.switches.limits
        extra = call.who.rates.nk_headers(call.operation, limits)
        answer = Answer(
            answer.status, answer.body, answer.content_type, {**answer.headers, **extra}
        )
    return answer


def _refusal(call: Call, status: int, text: str, *, field: str) -> RefusedError:
    if call.upstream == "suz" and status == 400:
        return suz_field_refusal([(field, text)])
    if call.upstream == "nk":
        return nk_refusal(status, text)
    return true_api_refusal(status, text)


def _check_form(route: Route, call: Call) -> None:
    accept = call.headers.get("accept", "*/*")
    ranges = {part.split(";", 1)[0].strip() for part in accept.split(",")}
    family = route.answers.split("/", 1)[0] + "/*"
    if not ranges & {"*/*", family, route.answers}:
        raise RefusedError(Answer(406, content_type="application/octet-stream"))
    kind = call.headers.get("content-type", "").split(";", 1)[0].strip()
    if route.method == "POST" and kind != "application/json":
        raise _refusal(call, 415, "Content type not supported", field="Content-Type")
    for name in call.query:
        if name not in route.query:
            raise _refusal(call, 400, f"Неизвестный параметр: {name}", field=name)
    for name, required in route.query.items():
        if required and name != "omsId" and not call.query.get(name):
            raise _refusal(call, 400, f"Отсутствует обязательный параметр: {name}", field=name)


def _check_rate(call: Call) -> None:
    if not call.named:
        return
    who = call.who
    if call.upstream == "nk":
        wait_ms = who.rates.nk_wait_ms(call.operation, who.clock, who.switches.limits)
    else:
        wait_ms = who.rates.wait_ms(call.upstream, who.clock, who.switches.limits)
    if wait_ms:
        body = {"error_message": "Превышен лимит запросов"}
        raise RefusedError(as_json(body, 429, Retry_After=retry_after_s(wait_ms)))


def _response(call: Call, entry: Entry, answer: Answer) -> web.Response:
    headers = dict(answer.headers)
    headers["Date"] = formatdate(call.now_ms / 1000, usegmt=True)
    headers["X-RequestId"] = str(call.who.ids.uuid_of("request", entry.number))
    if answer.body or answer.status != 406:
        headers["Content-Type"] = answer.content_type
        if answer.content_type.startswith("text/"):
            headers["Content-Type"] += "; charset=utf-8"
    return web.Response(status=answer.status, body=answer.body, headers=headers)
