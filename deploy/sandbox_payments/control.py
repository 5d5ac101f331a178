"""The control API by which tests choose manners and make the desk say something now."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from deploy.sandbox_payments.desk import Desk, WrongRequest
from deploy.sandbox_payments.wires import Wires

Body = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(desk: Desk, wires: Wires) -> web.Application:
    async def health(_: web.Request) -> web.Response:
        broken = wires.broken
        told = {"reads": broken is None, "cause": repr(broken) if broken else None}
        return web.json_response(told, status=503 if broken else 200)

    async def manner(request: web.Request) -> web.Response:
        body = await _body(request)
        desk.set_manner(body.get("manner", ""), body.get("certificateId"))
        return web.json_response({"manner": body["manner"]})

    async def requests(_: web.Request) -> web.Response:
        return web.json_response([one.view() for one in desk.requests.values()])

    async def say(request: web.Request) -> web.Response:
        asked, word = desk.on_command(await _body(request))
        await wires.say(asked, word)
        return web.json_response(asked.view())

    app = web.Application(middlewares=[_refusing])
    app.add_routes(
        [
            web.get("/health", health),
            web.put("/manner", manner),
            web.get("/requests", requests),
            web.post("/say", say),
        ]
    )
    return app


@web.middleware
async def _refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except WrongRequest as wrong:
        return web.json_response({"error": str(wrong)}, status=400)


async def _body(request: web.Request) -> Body:
    try:
        body = await request.json()
    except json.JSONDecodeError:
        raise WrongRequest("not JSON") from None
    if not isinstance(body, dict):
        raise WrongRequest("an object is expected")
    return body
