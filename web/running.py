"""Runs applications so that no log line holds what a request said."""

import logging
import socket

from aiohttp import web

KEEPALIVE_S = 75.0  # longer than peers keep idle connections: `forwarding.IDLE_S`
SHUTDOWN_S = 5.0


class _WithoutTraceback(logging.Filter):
    """aiohttp quotes unparsable request lines and headers in tracebacks: codes and tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[0] if record.exc_info else None
        if error is not None:
            record.msg = f"{record.msg}: {error.__name__}"
            record.exc_info = record.exc_text = None
        return True


def runner(app: web.Application) -> web.AppRunner:
    """Paths may hold codes, so there is no access log; metrics and refusals tell the rest."""
    logger = logging.getLogger("web.protocol")
    if not logger.filters:
        logger.addFilter(_WithoutTraceback())
    return web.AppRunner(
        app,
        access_log=None,
        logger=logger,
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=SHUTDOWN_S,
    )


class Sites:
    """What a worker serves, until it closes them."""

    def __init__(self) -> None:
        self._runners: list[web.AppRunner] = []

    async def open_public(self, app: web.Application, *, host: str, port: int) -> None:
        await web.TCPSite(await self._set_up(app), host, port, reuse_port=True).start()

    async def open_internal(self, app: web.Application, bound: socket.socket) -> None:
        await web.SockSite(await self._set_up(app), bound).start()

    async def close(self) -> None:
        for served in self._runners:
            await served.cleanup()

    async def _set_up(self, app: web.Application) -> web.AppRunner:
        served = runner(app)
        await served.setup()
        self._runners.append(served)
        return served
