"""The HTTP side of the emulator: the gateway's own two calls and the control of tests."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any

from aiohttp import web

from deploy.sandbox_sms.gateway import Gateway, Letter, WrongRequest

SHOWN = 100
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Desk:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def post(self, request: web.Request) -> web.StreamResponse:
        letter, manner, wait_s = self._gateway.take(await _body(request))
        await asyncio.sleep(wait_s)
        if manner.answer is None:
            return _hang_up(request)
        if manner.answer == 202:
            return web.json_response({"messageId": f"g-{letter.number}"}, status=202)
        headers = {"Retry-After": "1"} if manner.answer == 429 else {}
        told = {"error": f"status {manner.answer} on command"}
        return web.json_response(told, status=manner.answer, headers=headers)

    async def get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        if self._gateway.is_silent(name):
            return _hang_up(request)
        letter = self._gateway.find(name)
        if letter is None:
            return web.json_response({"error": "unknown id"}, status=404)
        told = {"state": _state(letter), "messageId": f"g-{letter.number}"}
        return web.json_response(told)

    async def health(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ready"})

    async def manner(self, request: web.Request) -> web.StreamResponse:
        self._gateway.command(await _body(request))
        return web.json_response({})

    async def messages(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query
        views = (letter.view() for letter in self._gateway.letters.values())
        found = [
            view
            for view in views
            if all(view[name] == wanted[name] for name in ("id", "to") if name in wanted)
        ]
        return web.json_response(found)

    async def forget(self, _: web.Request) -> web.StreamResponse:
        self._gateway.forget()
        return web.json_response({})

    async def page(self, _: web.Request) -> web.StreamResponse:
        newest = islice(reversed(self._gateway.letters.values()), SHOWN)
        lines = (f"{one.channel} {one.to}: {one.text}" for one in newest if one.delivered)
        return web.Response(text="\n".join(lines) or "nothing was sent yet")


def application(gateway: Gateway) -> web.Application:
    desk = Desk(gateway)
    app = web.Application(middlewares=[_refusing])
    app.add_routes(
        [
            web.post("/messages", desk.post),
            web.get("/messages/{id}", desk.get),
            web.get("/_sms/health", desk.health),
            web.put("/_sms/manner", desk.manner),
            web.get("/_sms/messages", desk.messages),
            web.delete("/_sms/messages", desk.forget),
            web.get("/", desk.page),
        ]
    )
    return app


def _state(letter: Letter) -> str:
    if letter.refused:
        return "refused"
    return "delivered" if letter.view()["delivered"] else "accepted"


def _hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@web.middleware
async def _refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except WrongRequest as wrong:
        return web.json_response({"error": str(wrong)}, status=400)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except json.JSONDecodeError:
        raise WrongRequest("not JSON") from None
    if not isinstance(body, dict):
        raise WrongRequest("an object is expected")
    return body
