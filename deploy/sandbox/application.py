"""The aiohttp application: emulated paths and the control interface on one origin."""

from aiohttp import web

from deploy.sandbox import control, inspection, invariants
from deploy.sandbox.routes import ROUTES
from deploy.sandbox.serving import served
from deploy.sandbox.signer import DemoSigner, cors, stub
from deploy.sandbox.world import World

MAX_BODY = 64 * 1024 * 1024
PREFIX = "/_sandbox"
CONTROL: list[tuple[str, str, control.ControlHandler]] = [
    ("GET", "", control.show),
    ("GET", "/switches", control.switches),
    ("PUT", "/switches", control.switches),
    ("GET", "/faults", control.faults),
    ("POST", "/faults", control.faults),
    ("DELETE", "/faults", control.faults),
    ("DELETE", "/faults/{number}", control.faults),
    ("GET", "/gates", control.gates),
    ("POST", "/gates/release", control.gates),
    ("GET", "/clock", control.clock),
    ("PUT", "/clock", control.clock),
    ("POST", "/clock", control.clock),
    ("GET", "/cards", control.cards),
    ("PUT", "/cards", control.cards),
    ("GET", "/orders", inspection.orders),
    ("POST", "/orders", control.place_order),
    ("POST", "/orders/{order_id}", control.force_order),
    ("GET", "/ledger", inspection.ledger),
    ("GET", "/codes", inspection.codes),
    ("GET", "/documents", inspection.documents),
    ("POST", "/documents/{number}", control.force_document),
    ("GET", "/reports", inspection.reports),
    ("GET", "/journal", inspection.journal),
    ("DELETE", "/journal", inspection.journal),
    ("GET", "/tokens", control.tokens),
    ("POST", "/tokens", control.tokens),
    ("GET", "/secrets", inspection.secrets),
    ("GET", "/invariants", inspection.verdict),
]


def build(world: World) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY, middlewares=[cors])
    for route in ROUTES:
        app.router.add_route(route.method, route.path, served(route, world))
    _add_control(app, world)
    return app


def _add_control(app: web.Application, world: World) -> None:
    async def reset(request: web.Request) -> web.Response:
        return await control.reset(request, world)

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "participants": list(world.participants)})

    async def all_invariants(_request: web.Request) -> web.Response:
        found = {who.inn: invariants.verdict(who) for who in world.everybody()}
        clean = all(verdict["clean"] for verdict in found.values())
        return web.json_response({"clean": clean, "participants": found})

    add = app.router.add_route
    add("GET", f"{PREFIX}/health", health)
    add("GET", f"{PREFIX}/invariants", all_invariants)
    add("GET", f"{PREFIX}/plugin_stub.js", stub)
    add("POST", PREFIX + "/{inn}/reset", reset)
    signer = DemoSigner()
    signing: list[tuple[str, str, control.ControlHandler]] = [
        ("GET", "/signer", signer.show),
        ("OPTIONS", "/signer", signer.show),
        ("POST", "/sign", signer.sign),
        ("OPTIONS", "/sign", signer.sign),
    ]
    for method, path, handler in CONTROL + signing:
        add(method, PREFIX + "/{inn}" + path, control.controlled(handler, world))
