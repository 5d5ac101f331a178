"""Runs the stand-in: `python -m deploy.sandbox_payments --bootstrap HOST:PORT`."""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys

from aiohttp import web

from deploy.sandbox_payments.control import application
from deploy.sandbox_payments.desk import Desk
from deploy.sandbox_payments.manners import NAMES
from deploy.sandbox_payments.wires import Wires

SHUTDOWN_S = 1.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.sandbox_payments", description="Stand-in of the payment system"
    )
    parser.add_argument("--bootstrap", required=True, help="the broker, HOST:PORT")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: the system chooses one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--manner", choices=NAMES, default="prompt")
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
    desk = Desk(args.seed, args.manner)
    wires = Wires(args.bootstrap, desk)
    await wires.start()
    runner = web.AppRunner(application(desk, wires), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    bound = socket.create_server((args.host, args.port))
    await web.SockSite(runner, bound).start()
    host, port = bound.getsockname()[:2]
    line = {"port": port, "url": f"http://{host}:{port}", "pid": os.getpid()}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()
    await wires.stop()


def main() -> None:
    asyncio.run(run(arguments()))


if __name__ == "__main__":
    main()
