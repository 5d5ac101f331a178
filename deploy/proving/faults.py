"""The faults: each hurts one thing for a while and puts it right again."""

import asyncio
import resource
import shutil
import signal
import time
from collections.abc import Awaitable, Callable

from app.contracts.topics import BATCHES, COMMANDS, PAYMENTS, SALES
from deploy.proving.altered import NEWER, SLOW_S
from deploy.proving.links import Mode
from deploy.proving.scene import Scene

Fault = Callable[[Scene], Awaitable[None]]
TAKEOVER_S = 30.0
FULL_S = 10.0
HOURS_MS = 3 * 3_600_000
POISON = (b"", b"\x00\xff", b"{", b"[[[[", b"[1, 2", b"\xc1" * 200)


async def killed(scene: Scene) -> None:
    """Of workers that all serve and stand by one; back only after others have taken over."""
    for member in scene.cluster.workers:
        await scene.ready_again(member)
    await scene.caught_up()
    worker = await scene.any_serving()
    worker.end(signal.SIGKILL)
    waited = await scene.load.watch.all_answer(time.monotonic(), TAKEOVER_S)
    if waited is None:
        scene.no_takeover += 1
    else:
        scene.takeovers_s.append(waited)
        scene.note = f", taken over after {waited:.1f} s"
    worker.start()


async def killed_and_back_at_once(scene: Scene) -> None:
    worker = scene.any_worker()
    worker.end(signal.SIGKILL)
    await scene.pause(0, 1)
    worker.start()


async def _frozen(scene: Scene, least_s: float, most_s: float) -> None:
    worker = scene.any_worker()
    worker.send(signal.SIGSTOP)
    await scene.pause(least_s, most_s)
    worker.send(signal.SIGCONT)


async def frozen(scene: Scene) -> None:
    await _frozen(scene, 0.5, 1.5)


async def frozen_past_its_session(scene: Scene) -> None:
    await _frozen(scene, 4, 7)


async def ended(scene: Scene) -> None:
    worker = scene.any_worker()
    await scene.end(worker)
    worker.start()


async def added_and_removed(scene: Scene) -> None:
    spare = scene.cluster.make_worker(scene.cluster.spare_names[0])
    spare.start()
    scene.cluster.workers.append(spare)
    await scene.pause(4, 6)
    scene.cluster.workers.remove(spare)
    await scene.end(spare)


async def rebalance_storm(scene: Scene) -> None:
    """Members leave and come faster than the group settles."""
    for _ in range(3):
        worker = scene.any_worker()
        await scene.end(worker)
        worker.start()
        await scene.pause(0.2, 1.2)


async def rolling_restart_with_a_newer_schema(scene: Scene) -> None:
    """From here on nobody starts as the older version again."""
    scene.schema += 1
    scene.cluster.lasting[NEWER] = str(scene.schema)
    for worker in [*scene.cluster.services, *scene.cluster.workers]:
        await scene.end(worker)
        worker.start()
        await scene.ready_again(worker)


async def broker_killed(scene: Scene) -> None:
    await asyncio.to_thread(scene.cluster.broker.kill)
    await scene.pause(0, 1)
    await asyncio.to_thread(scene.cluster.broker.start)


async def _link(scene: Scene, mode: Mode) -> None:
    worker = scene.any_worker()
    scene.cluster.links.become(worker.name, mode)
    await scene.pause(2, 6)
    scene.cluster.links.become(worker.name, Mode.OPEN)


async def link_cut(scene: Scene) -> None:
    await _link(scene, Mode.CUT)


async def link_slow(scene: Scene) -> None:
    await _link(scene, Mode.SLOW)


async def link_half_open(scene: Scene) -> None:
    await _link(scene, Mode.HALF_OPEN)


async def store_wiped(scene: Scene) -> None:
    worker = scene.any_worker()
    worker.end(signal.SIGKILL)
    await asyncio.to_thread(shutil.rmtree, worker.store)
    worker.start()


async def stores_swapped(scene: Scene) -> None:
    """Two workers find each other's store, and in it two partitions changed over."""
    one, other = scene.rng.sample(scene.cluster.workers, 2)
    for worker in (one, other):
        worker.end(signal.SIGKILL)
    aside = one.store.with_name("aside")
    one.store.rename(aside)
    other.store.rename(one.store)
    aside.rename(other.store)
    copies = sorted(one.store.glob("partition-[0-9]"))
    if len(copies) > 1:
        first, second = copies[:2]
        first.rename(aside)
        second.rename(first)
        aside.rename(second)
    for worker in (one, other):
        worker.start()


async def disk_full(scene: Scene) -> None:
    """No file of the process may grow; one that serves must end, and is started again."""
    worker = await scene.any_serving()
    limits = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
    until = time.monotonic() + FULL_S
    while worker.running and time.monotonic() < until:
        await asyncio.sleep(0.1)
    if worker.running:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, limits)


async def _clock(scene: Scene, offset_ms: int) -> None:
    worker = scene.any_worker()
    await scene.end(worker)
    worker.start(GIFTMARK_CLOCK_OFFSET_MS=str(offset_ms))
    await scene.pause(4, 6)
    await scene.end(worker)
    worker.start()


async def clock_hours_ahead(scene: Scene) -> None:
    await _clock(scene, HOURS_MS)


async def clock_hours_behind(scene: Scene) -> None:
    await _clock(scene, -HOURS_MS)


async def database_stopped(scene: Scene) -> None:
    await asyncio.to_thread(scene.database.kill)
    await scene.pause(2, 4)
    await asyncio.to_thread(scene.database.start)


async def poison_and_duplicates(scene: Scene) -> None:
    """What nobody can read, between what was read before."""
    topics = (SALES, PAYMENTS, BATCHES, COMMANDS)
    poison = [(topic, (f"{n}-bad", value)) for n, value in enumerate(POISON) for topic in topics]
    again = scene.rng.sample(list(scene.load.recent), k=min(50, len(scene.load.recent)))
    mixed = [*poison, *again]
    scene.rng.shuffle(mixed)
    async with scene.load.producer() as producer:
        await scene.load.send(producer, mixed)


async def slow_publisher(scene: Scene) -> None:
    worker = scene.any_worker()
    await scene.end(worker)
    worker.start(**{SLOW_S: "0.5"})
    await scene.pause(4, 6)
    await scene.end(worker)
    worker.start()


FAULTS: dict[str, Fault] = {
    "worker killed": killed,
    "worker killed, back at once": killed_and_back_at_once,
    "worker frozen": frozen,
    "worker frozen past its session": frozen_past_its_session,
    "worker ended": ended,
    "worker added and removed": added_and_removed,
    "rebalance storm": rebalance_storm,
    "rolling restart, newer schema": rolling_restart_with_a_newer_schema,
    "broker killed": broker_killed,
    "link cut": link_cut,
    "link slow": link_slow,
    "link half open": link_half_open,
    "local store wiped": store_wiped,
    "local stores swapped": stores_swapped,
    "disk full": disk_full,
    "clock hours ahead": clock_hours_ahead,
    "clock hours behind": clock_hours_behind,
    "PostgreSQL stopped": database_stopped,
    "poison and duplicates": poison_and_duplicates,
    "slow publisher": slow_publisher,
}
