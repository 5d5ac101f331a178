"""One worker of the marking half on a real database and the emulator, without Kafka."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.domain.marking.draft import DraftLine, OrderDraft
from app.integrations.errors import Upstream
from app.integrations.http import Times, UpstreamClient
from app.integrations.observing import Silent
from app.marking.crash import CrashPoint
from app.marking.database import Database, connect
from app.marking.desk import Clients, Desk
from app.marking.due_polls import publish_due_polls
from app.marking.flow import OrderFlow
from app.marking.ids import new_id
from app.marking.limits import SharedLimiter
from app.marking.participants import Participant
from app.marking.queue import sweep
from app.marking.runner import Runner
from app.marking.sealing import Sealer, apikey_place
from app.marking.signer import SignatureAwaited, Signer
from app.marking.store import OrderRow, load
from app.marking.terms import Terms
from app.marking.work import WorkMessage
from deploy.sandbox.driver import Player

SCALE = 20.0
# No answer of the emulator comes late unasked, so nothing is gained by looking for long.
LOOKUPS_S = (2.0, 4.0, 8.0)
SEAL_KEY = b"k" * 32


class SandboxSigner:
    """Signs like the demo signer: at once, by the emulator's key."""

    automatic = True

    def __init__(self, player: Player) -> None:
        self._player = player

    async def sign(self, payload: bytes, *, detached: bool, purpose: str, inn: str) -> bytes:
        del purpose, inn
        cms = await asyncio.to_thread(self._player.sign, payload, detached=detached)
        return base64.b64decode(cms)


class PersonSigner:
    automatic = False

    async def sign(self, payload: bytes, *, detached: bool, purpose: str, inn: str) -> bytes:
        del payload, detached, purpose, inn
        raise SignatureAwaited("a person signs")


class SandboxSigners:
    def __init__(self, player: Player) -> None:
        self._player = player

    def of(self, participant: Participant) -> Signer:
        return SandboxSigner(self._player) if participant.signs_by_itself else PersonSigner()


@dataclass
class Rig:
    desk: Desk
    runner: Runner
    player: Player
    participant_id: str
    user_id: str
    flow: OrderFlow
    works: bool = True
    lost: list[WorkMessage] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.desk.database

    def gtins(self, count: int) -> list[str]:
        return [card["gtin"] for card in self.player.control("GET", "/cards")[:count]]

    async def start(self, *quantities: int, **draft: Any) -> str:
        """The id of a new order with a line for each quantity."""
        gtins = self.gtins(len(quantities))
        lines = tuple(DraftLine(g, q) for g, q in zip(gtins, quantities, strict=True))
        wanted = OrderDraft(lines=lines, **draft)
        order = await self.flow.start_order_flow(self.user_id, gtins[0], draft=wanted)
        return order.id

    async def forget_tokens(self) -> None:
        """As if nobody had ever signed in."""
        await self.database.execute("delete from marking.tokens")

    async def age_tokens(self) -> None:
        """Tokens that die now were not issued a moment ago."""
        await self.database.execute(
            "update marking.tokens set issued_at = issued_at - interval '1 hour'"
        )

    async def until_gate(self, order_id: str) -> None:
        """Work until the emulator holds a request at a gate."""
        for _ in range(1_000):
            await publish_due_polls(self.desk)
            await sweep(self.desk)
            await asyncio.sleep(0.02)
            if self.player.control("GET", "/gates"):
                return
        raise AssertionError(await self.story(order_id))

    def release_gates(self) -> None:
        self.player.control("POST", "/gates/release", {})

    def posted(self, operation: str) -> int:
        """How many requests of an operation the emulator has seen."""
        return len(self.player.journal(operation))

    async def order(self, order_id: str) -> OrderRow:
        return await load(self.database, order_id)

    async def tick(self) -> None:
        """What the timers do once, and all work that comes of it."""
        await publish_due_polls(self.desk)
        await sweep(self.desk)
        await self.runner.idle()

    async def until(
        self, done: Callable[[OrderRow], bool], order_id: str, *, within_s: float = 30
    ) -> OrderRow:
        """Tick until the order is as wanted; fails with its story otherwise."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            await self.tick()
            row = await self.order(order_id)
            if done(row):
                return row
            await asyncio.sleep(0.02)
        raise AssertionError(await self.story(order_id))

    async def until_status(self, order_id: str, *statuses: str, within_s: float = 30) -> OrderRow:
        return await self.until(
            lambda row: str(row.status) in statuses, order_id, within_s=within_s
        )

    async def story(self, order_id: str) -> str:
        row = await self.order(order_id)
        log = await self.database.rows(
            """select action, from_status, to_status, details from marking.audit_log
               where order_id = %(id)s order by id""",
            id=order_id,
        )
        lines = [f"{r['action']} {r['from_status']}->{r['to_status']} {r['details']}" for r in log]
        head = f"{row.status} hold={row.hold} {row.hold_detail} due={row.due_at}"
        return "\n".join([head, *lines])

    async def count(self, sql: str, **parameters: Any) -> int:
        row = await self.database.one(sql, **parameters)
        assert row is not None
        return int(next(iter(row.values())))


async def open_desk(
    dsn: str,
    origin: str,
    *,
    signers: Any,
    publish: Callable[[str, WorkMessage], Awaitable[None]],
    owner: str = "w1/1",
    **terms: Any,
) -> Desk:
    database = await connect(dsn)
    hasty: dict[str, Any] = {"suz_poll_interval": 6, "marking_reconcile_delays_s": LOOKUPS_S}
    chosen = Terms(**{"marking_time_scale": SCALE, **hasty, **terms})
    limiter = SharedLimiter(database, chosen)
    times = Times(read_s=5, suz_write_s=5, suz_list_s=5, breaker_open_s=0.5, send_window_s=5)
    clients = Clients(
        *(
            UpstreamClient(upstream, origin, limiter=limiter, observer=Silent(), times=times)
            for upstream in (Upstream.NK, Upstream.TRUE_API, Upstream.SUZ)
        )
    )
    return Desk(
        database,
        Sealer([SEAL_KEY]),
        chosen,
        chosen.rules(),
        clients,
        signers,
        publish,
        CrashPoint(chosen.marking_crash_at),
        owner,
        set(),
    )


async def add_participant(
    desk: Desk, player: Player, *, signer_kind: str = "demo"
) -> tuple[str, str]:
    """(participant id, user id) of a participant as the emulator knows it and its operator."""
    participant, user = new_id(), new_id()
    passport = player.passport
    sealed = desk.sealer.seal(passport["apikey"].encode(), place=apikey_place(participant))
    async with desk.database.transaction() as tx:
        await tx.execute(
            """insert into marking.participants (id, inn, name, oms_id, oms_connection,
                   nk_apikey_enc, signer_kind)
               values (%(id)s, %(inn)s, %(name)s, %(oms)s, %(connection)s, %(key)s, %(kind)s)""",
            id=participant,
            inn=player.inn,
            name=passport["name"],
            oms=passport["oms_id"],
            connection=passport["oms_connection"],
            key=sealed,
            kind=signer_kind,
        )
        await tx.execute(
            """insert into marking.users (id, login, password_hash) values
                   (%(id)s, %(login)s, 'x')""",
            id=user,
            login=f"operator-{user}",
        )
        await tx.execute(
            """insert into marking.participant_members (participant_id, user_id, role)
               values (%(participant)s, %(user)s, 'operator')""",
            participant=participant,
            user=user,
        )
    return participant, user


@asynccontextmanager
async def playing_worker(
    dsn: str, origin: str, *, inn: str, signer_kind: str = "demo", **terms: Any
) -> AsyncIterator[Rig]:
    with httpx.Client(base_url=origin, timeout=30) as http:
        player = Player(http, inn)
        player.reset()
        player.control("PUT", "/switches", {"limits": {"suz_rps": 1000, "true_api_rps": 1000}})
        holder: list[Rig] = []

        async def publish(_topic: str, message: WorkMessage) -> None:
            if holder and holder[0].works and not holder[0].runner.accept(message):
                holder[0].lost.append(message)

        signers = SandboxSigners(player)
        desk = await open_desk(dsn, origin, signers=signers, publish=publish, **terms)
        participant, user = await add_participant(desk, player, signer_kind=signer_kind)
        rig = Rig(desk, Runner(desk), player, participant, user, OrderFlow(desk))
        holder.append(rig)
        try:
            yield rig
        finally:
            await rig.runner.stop()
            await desk.clients.close()
            await desk.database.close()
