"""Runs the emulator: `python -m deploy.sandbox_sms`."""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys

from aiohttp import web

from deploy.sandbox_sms.application import application
from deploy.sandbox_sms.gateway import Gateway
from deploy.sandbox_sms.manners import MANNERS

SHUTDOWN_S = 1.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.sandbox_sms", description="Emulator of a gateway for SMS and e-mail"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: the system chooses one")
    parser.add_argument("--manner", choices=list(MANNERS), default="prompt")
    return parser.parse_args()


def watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Sets `stop` when the parent ends."""
    try:
        watched = os.pidfd_open(os.getppid())
    except ProcessLookupError:
        stop.set()
        return
    loop.add_reader(watched, stop.set)


async def run(args: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if os.getppid() > 1:
        watch_parent(loop, stop)
    gateway = application(Gateway(args.manner))
    runner = web.AppRunner(gateway, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    bound = socket.create_server((args.host, args.port))
    await web.SockSite(runner, bound).start()
    host, port = bound.getsockname()[:2]
    line = {"port": port, "url": f"http://{host}:{port}", "pid": os.getpid()}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    asyncio.run(run(arguments()))


if __name__ == "__main__":
    main()
