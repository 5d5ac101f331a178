"""Runs the emulator: `python -m deploy.sandbox --port 0`; its control API is in the package."""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from aiohttp import web

from deploy.sandbox.application import build
from deploy.sandbox.authority import open_authority
from deploy.sandbox.snapshot import load, save
from deploy.sandbox.world import World

SHUTDOWN_S = 1.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: the system chooses one")
    parser.add_argument("--port-file", type=Path, help="the port is written here when listening")
    parser.add_argument("--time-scale", type=float, default=1.0, help="divides every duration")
    parser.add_argument("--key-file", type=Path, help="keeps the demo key over restarts")
    parser.add_argument("--state-file", type=Path, help="keeps orders and codes over restarts")
    parser.add_argument("--parent-pid", type=int, help="ends with this process; default: parent")
    parser.add_argument("--detached", action="store_true", help="lives without a parent")
    return parser.parse_args()


def watch_parent(loop: asyncio.AbstractEventLoop, pid: int, stop: asyncio.Event) -> None:
    """Sets `stop` when the process ends; a pidfd cannot be fooled by a reused number."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        stop.set()
        return
    loop.add_reader(watched, stop.set)


def announce(bound: socket.socket, port_file: Path | None) -> None:
    host, port = bound.getsockname()[:2]
    if port_file:
        half = port_file.with_suffix(".part")
        half.write_text(str(port))
        half.replace(port_file)
    line = {"port": port, "url": f"http://{host}:{port}", "pid": os.getpid()}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def run(args: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parent = args.parent_pid or os.getppid()
    if parent > 1 and not args.detached:
        watch_parent(loop, parent, stop)
    world = World(open_authority(args.key_file), args.time_scale)
    if args.state_file:
        load(world, args.state_file)
    runner = web.AppRunner(build(world), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    bound = socket.create_server((args.host, args.port), family=family)
    await web.SockSite(runner, bound).start()
    announce(bound, args.port_file)
    await stop.wait()
    await runner.cleanup()
    if args.state_file:
        save(world, args.state_file)


def main() -> None:
    args = arguments()
    if args.time_scale <= 0:
        raise SystemExit("--time-scale must be above 0")
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(run(args))


if __name__ == "__main__":
    main()
