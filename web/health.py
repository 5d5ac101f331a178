"""Liveness, readiness and metrics, on the internal port only."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

# Gives None when all is well, else the reason in words.
Probe = Callable[[], Awaitable[str | None]]
PROBE_S = 2.0


class Health:
    """`probes`: name of a dependency → its probe; ready when none of them has a reason."""

    def __init__(self, probes: Mapping[str, Probe], registry: CollectorRegistry) -> None:
        self._probes = probes
        self._registry = registry

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/health/live", self.live)
        app.router.add_get("/health/ready", self.ready)
        app.router.add_get("/metrics", self.metrics)

    async def live(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return _json(200, {"status": "live"})

    async def ready(self, request: web.Request) -> web.Response:  # noqa: ARG002
        reasons = await asyncio.gather(*(_asked(probe) for probe in self._probes.values()))
        checks = dict(zip(self._probes, (reason or "ok" for reason in reasons), strict=True))
        ready = not any(reasons)
        status = "ready" if ready else "not ready"
        return _json(200 if ready else 503, {"status": status, "checks": checks})

    async def metrics(self, request: web.Request) -> web.Response:  # noqa: ARG002
        text = generate_latest(self._registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _asked(probe: Probe) -> str | None:
    try:
        async with asyncio.timeout(PROBE_S):
            return await probe()
    except TimeoutError:
        return f"no answer within {PROBE_S:g} s"
    except Exception as error:  # noqa: BLE001  a broken dependency is a reason, not a failure here
        return type(error).__name__


def _json(status: int, members: Mapping[str, object]) -> web.Response:
    body = msgspec.json.encode(members)
    return web.Response(status=status, body=body, content_type="application/json")
