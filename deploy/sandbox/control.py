"""The control and inspection interface under `/_sandbox`."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from deploy.sandbox.cards import Card
from deploy.sandbox.disturbances import close_elsewhere, end_tokens
from deploy.sandbox.document_forms import is_inn
from deploy.sandbox.faults import FaultSpec
from deploy.sandbox.participant import Participant, Setup
from deploy.sandbox.placing import place_foreign
from deploy.sandbox.switches import changed
from deploy.sandbox.world import World

ControlHandler = Callable[[World, Participant, web.Request], Awaitable[Any]]
STRICT = ConfigDict(extra="forbid", strict=True)


class ResetForm(BaseModel):
    model_config = STRICT
    seed: str | int = "1"
    name: str | None = None
    oms_id: str | None = None
    oms_connection: str | None = None
    apikey: str | None = None
    cards: int = Field(60, ge=0, le=2000)
    persons: list[str] = Field(default_factory=list)
    switches: dict[str, Any] = Field(default_factory=dict)


def passport(who: Participant) -> dict[str, Any]:
    """What a client needs to be this participant."""
    return {
        "inn": who.inn,
        "name": who.name,
        "oms_id": who.oms_id,
        "oms_connection": who.oms_connection,
        "apikey": who.apikey,
        "persons": sorted(who.persons),
        "cards": len(who.cards),
        "now_ms": who.clock.now_ms(),
        "scale": who.clock.scale,
    }


def problem(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


async def reset(request: web.Request, world: World) -> web.Response:
    inn = request.match_info["inn"]
    if not is_inn(inn):
        return problem(400, f"{inn}: not an ИНН (check digits)")
    try:
        form = ResetForm.model_validate_json(await request.read() or b"{}")
        setup = Setup(
            seed=str(form.seed),
            name=form.name,
            oms_id=form.oms_id,
            oms_connection=form.oms_connection,
            apikey=form.apikey,
            cards=form.cards,
            persons=tuple(form.persons),
        )
        who = world.reset(inn, setup)
        who.switches = changed(who.switches, form.switches)
    except ValueError as error:
        return problem(400, str(error))
    return web.json_response(passport(who))


async def body_of(request: web.Request) -> Any:
    raw = await request.read()
    try:
        return msgspec.json.decode(raw or b"{}")
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def controlled(handler: ControlHandler, world: World) -> Callable[..., Awaitable[web.Response]]:
    """The aiohttp handler of one control method of one participant."""

    async def handle(request: web.Request) -> web.Response:
        inn = request.match_info["inn"]
        who = world.named(inn)
        if who is None:
            return problem(404, f"{inn}: unknown; POST /_sandbox/{inn}/reset makes it")
        try:
            who.settle(who.clock.now_ms())
            value = await handler(world, who, request)
        except ValidationError as error:
            return problem(400, str(error))
        except (ValueError, KeyError, TypeError) as error:
            return problem(400, f"{type(error).__name__}: {error}")
        return web.Response(body=msgspec.json.encode(value), content_type="application/json")

    return handle


async def show(_world: World, who: Participant, _request: web.Request) -> Any:
    return passport(who)


async def switches(_world: World, who: Participant, request: web.Request) -> Any:
    if request.method == "PUT":
        who.switches = changed(who.switches, await body_of(request))
    return who.switches.model_dump()


async def faults(_world: World, who: Participant, request: web.Request) -> Any:
    if request.method == "POST":
        given = await body_of(request)
        specs = TypeAdapter(list[FaultSpec]).validate_python(
            given if isinstance(given, list) else [given]
        )
        return {"fault_ids": [who.faults.add(spec).number for spec in specs]}
    if request.method == "DELETE":
        number = request.match_info.get("number")
        who.faults.remove(int(number) if number else None)
    return [
        {"fault_id": f.number, "seen": f.seen, "fired": f.fired}
        | f.spec.model_dump(exclude_defaults=True)
        for f in who.faults.faults
    ]


async def gates(_world: World, who: Participant, request: web.Request) -> Any:
    if request.method == "POST":
        form = await body_of(request)
        then = form.get("then", "continue")
        if then not in {"continue", "drop"}:
            raise ValueError("then: continue or drop")
        return {"released": who.gates.release(form.get("gate_id"), then)}
    wait_s = min(float(request.query.get("wait_s", "0")), 60)
    await who.gates.wait_for_arrival(int(request.query.get("count", "1")), wait_s)
    return [gate.shown() for gate in who.gates.held()]


async def clock(_world: World, who: Participant, request: web.Request) -> Any:
    if request.method != "GET":
        form = await body_of(request)
        if set(form) - {"mode", "advance_s"} or form.get("mode") not in {None, "manual", "real"}:
            raise ValueError("mode: manual or real; advance_s: seconds")
        if form.get("mode") == "manual":
            who.clock.freeze()
        elif form.get("mode") == "real":
            who.clock.run()
        who.clock.advance(float(form.get("advance_s", 0)))
        who.settle(who.clock.now_ms())
    mode = "real" if who.clock.frozen_ms is None else "manual"
    return {"now_ms": who.clock.now_ms(), "mode": mode, "scale": who.clock.scale}


async def cards(_world: World, who: Participant, request: web.Request) -> Any:
    if request.method == "PUT":
        for card in TypeAdapter(list[Card]).validate_python(await body_of(request)):
            who.cards[card.gtin] = card
    return [card.model_dump() for card in who.cards.values()]


async def place_order(_world: World, who: Participant, request: web.Request) -> Any:
    """An order from the cabinet or another program."""
    spec = FaultSpec.model_validate(
        await body_of(request) | {"operation": "now", "action": "foreign_order"}
    )
    if not spec.products:
        raise ValueError("products: [{gtin, quantity}]")
    return {"orderId": place_foreign(who, spec, spec.products, now_ms=who.clock.now_ms()).order_id}


async def force_order(_world: World, who: Participant, request: web.Request) -> Any:
    order, form = who.orders[request.match_info["order_id"]], await body_of(request)
    now = who.clock.now_ms()
    match form.get("action"):
        case "proceed":
            order.proceed(now)
        case "close":
            close_elsewhere(who, order.order_id, now)
        case "decline":
            order.plan.decline = form.get("text", "Заказ отклонён")
            order.proceed(now)
        case _:
            raise ValueError("action: proceed, close or decline")
    who.settle(now)
    return {"status": order.status}


async def force_document(_world: World, who: Participant, request: web.Request) -> Any:
    document, form = who.documents[request.match_info["number"]], await body_of(request)
    document.verdict = (form["status"], form.get("errors", []))
    who.settle(who.clock.now_ms())
    return {"status": document.status}


async def tokens(_world: World, who: Participant, request: web.Request) -> Any:
    if request.method == "POST":
        form = await body_of(request)
        if form.get("action") not in {"expire", "steal"} or form.get("kind") not in {
            "suz",
            "true_api",
        }:
            raise ValueError("action: expire or steal; kind: suz or true_api")
        return {"ended": end_tokens(who, form["kind"], stolen=form["action"] == "steal")}
    return [token.shown() for token in who.tokens.tokens.values()]
