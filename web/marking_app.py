"""The marking API as one application, to be mounted under its prefix."""

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from web.marking_openapi import document
from web.marking_pages import SigningPage
from web.marking_problems import Refusal, of_error
from web.marking_routes import PREFIX, ROUTES
from web.marking_routing import Desks
from web.marking_serving import Endpoint


def marking_app(desks: Desks) -> web.Application:
    app = web.Application(middlewares=[_problems(desks.public_url)])
    for route in ROUTES:
        app.router.add_route(route.verb.method, route.path, Endpoint(route, desks).handle)
    app.router.add_get("/openapi.json", _openapi(desks.public_url))
    return app


def mount(outer: web.Application, desks: Desks) -> None:
    outer.add_subapp(PREFIX, marking_app(desks))
    SigningPage(desks.plugin, demo=desks.demo).add_to(outer)


def _openapi(public_url: str) -> Handler:
    body = msgspec.json.encode(document(ROUTES, PREFIX, public_url=public_url))

    async def handle(request: web.Request) -> web.StreamResponse:  # noqa: ARG001
        return web.Response(body=body, content_type="application/json")

    return handle


def _problems(public_url: str) -> Middleware:
    """The router's own refusals in the common form."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            refusal = Refusal(404, "route-unknown")
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            refusal = Refusal(405, "method-unknown", headers={"Allow": allowed})
        return of_error(refusal, public_url)

    return middleware
