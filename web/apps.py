"""The two aiohttp applications of a ledger worker: for clients, and for its peers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import REGISTRY, CollectorRegistry

from app.settings import Settings
from tables.clock import Clock
from web import BATCH_ROUTES, ROUTES
from web.access import Clients
from web.batches_serving import BatchEndpoint
from web.batches_wiring import BatchService
from web.forwarding import Forwarder, Signer
from web.health import Health, Probe
from web.idempotency import Hashes
from web.identifiers import request_id
from web.intake import BODY_MAX
from web.internal_api import InternalCommands
from web.ledger_port import LedgerPort
from web.metrics import Metrics
from web.openapi import document
from web.problems import Problem, Renderer
from web.routing import Edge
from web.serving import Endpoint, Surroundings
from web.velocity import Velocity

FORWARD_MAX = 256 * 1024
SURROUNDINGS: web.AppKey[Surroundings] = web.AppKey("surroundings", Surroundings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the composition root hands over."""

    settings: Settings
    ledger: LedgerPort
    clients: Clients
    edge: Edge
    registry: CollectorRegistry = REGISTRY
    probes: Mapping[str, Probe] = field(default_factory=dict)
    batches: BatchService | None = None


def public_app(deps: Deps) -> web.Application:
    """Run it by `web.running.runner`: paths may hold codes."""
    shared = surroundings(deps)
    app = web.Application(middlewares=[_problems(shared.renderer)], client_max_size=BODY_MAX)
    app[SURROUNDINGS] = shared
    for route in ROUTES:
        app.router.add_route(route.verb.method, route.path, Endpoint(route, shared).handle)
    if deps.batches is not None:
        app.on_cleanup.append(_closing(deps.batches))
    for asked in BATCH_ROUTES:
        endpoint = BatchEndpoint(asked, shared, deps.batches)
        app.router.add_route(asked.verb.method, asked.path, endpoint.handle)
    app.router.add_get("/openapi.json", _openapi(deps.settings.public_url))
    app.cleanup_ctx.append(_forwarding)
    app.cleanup_ctx.append(_reloading)
    return app


def internal_app(deps: Deps) -> web.Application:
    app = web.Application(client_max_size=FORWARD_MAX)
    commands = InternalCommands(deps.ledger, _signer(deps.settings))
    app.router.add_post("/internal/commands/{key}", commands.handle)
    Health(deps.probes, deps.registry).add_to(app)
    return app


def surroundings(deps: Deps) -> Surroundings:
    settings, metrics = deps.settings, Metrics(deps.registry)
    return Surroundings(
        ledger=deps.ledger,
        clients=deps.clients,
        edge=deps.edge,
        hashes=Hashes(settings.code_pepper.get_secret_value()),
        forwarder=Forwarder(_signer(settings), metrics.forwards),
        velocity=Velocity(time.monotonic),
        renderer=Renderer(settings.public_url),
        metrics=metrics,
        deadline_s=settings.http_deadline_ms / 1_000,
        now_ms=Clock(settings.clock_offset_ms).wall_ms,
    )


def _signer(settings: Settings) -> Signer:
    return Signer(settings.forward_key.get_secret_value())


def _closing(batches: BatchService) -> Callable[[web.Application], Awaitable[None]]:
    async def close(app: web.Application) -> None:  # noqa: ARG001
        await batches.close()

    return close


def _openapi(public_url: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = msgspec.json.encode(document((*ROUTES, *BATCH_ROUTES), public_url))

    async def handle(request: web.Request) -> web.Response:  # noqa: ARG001
        return web.Response(body=body, content_type="application/json")

    return handle


def _problems(renderer: Renderer) -> Middleware:
    """The router's own refusals in the common form."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            problem = Problem("RouteUnknown")
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            problem = Problem("RouteMethodUnknown", headers={"Allow": allowed})
        return renderer.problem(problem, request_id())

    return middleware


async def _forwarding(app: web.Application) -> AsyncIterator[None]:
    forwarder = app[SURROUNDINGS].forwarder
    await forwarder.open()
    yield
    await forwarder.close()


async def _reloading(app: web.Application) -> AsyncIterator[None]:
    watch = asyncio.create_task(app[SURROUNDINGS].clients.watch())
    yield
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
