"""A worker of its own process that ends at a named point: `python crashing_worker.py '{…}'`."""

import asyncio
import sys

import httpx
import msgspec

from app.marking.desk import Desk
from app.marking.due_polls import publish_due_polls
from app.marking.queue import sweep
from app.marking.runner import Runner
from app.marking.work import WorkMessage
from deploy.sandbox.driver import Player
from tests.flows.marking.rig import SandboxSigners, open_desk


class Task(msgspec.Struct):
    dsn: str
    origin: str
    inn: str
    crash_at: str
    owner: str = "w1/crashing"
    terms: dict[str, str] = {}


async def work(desk: Desk, runner: Runner) -> None:
    while True:
        await publish_due_polls(desk)
        await sweep(desk)
        await runner.idle()
        await asyncio.sleep(0.02)


async def main(task: Task) -> None:
    runners: list[Runner] = []

    async def publish(_topic: str, message: WorkMessage) -> None:
        runners[0].accept(message)

    with httpx.Client(base_url=task.origin, timeout=30) as http:
        desk = await open_desk(
            task.dsn,
            task.origin,
            signers=SandboxSigners(Player(http, task.inn)),
            publish=publish,
            owner=task.owner,
            marking_crash_at=task.crash_at,
            **task.terms,
        )
        runners.append(Runner(desk))
        await asyncio.wait_for(work(desk, runners[0]), 40)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Task)))
