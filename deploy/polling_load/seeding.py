"""Participants with orders that are open at the station, as if all of them had been placed."""

import base64
from collections.abc import Iterator

import httpx
import msgspec

from app.domain.marking.code import is_inn
from app.domain.marking.draft import DraftLine
from app.domain.marking.order import OrderStatus
from app.integrations.http import Times
from app.integrations.observing import Silent
from app.marking import store
from app.marking.adopting import accept_order
from app.marking.database import Transaction
from app.marking.desk import Desk
from app.marking.freezing import insert_station_row
from app.marking.ids import new_id
from app.marking.membership import NewParticipant, add_participant
from app.marking.opening import Addresses, close_desk, open_desk
from app.marking.participants import Participant
from app.marking.people import add_user
from app.marking.signer import Signer
from app.marking.store import NewLine, NewOrder
from app.marking.terms import Terms
from app.marking.work import WorkMessage
from deploy.sandbox.cards import gtin_of
from deploy.sandbox.driver import Player

FIRST_INN = 770_500_000
NEVER_S = 1_000_000.0
# What a station may hold: 100 orders that wait and 100 whose codes can be fetched.
MOST_EACH = 200


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How much is polled; `interval_s` and everything else is nominal, divided by `scale`."""

    participants: int = 20
    orders: int = 2_000
    mode: str = "status"
    scale: float = 1
    interval_s: float = 30

    def __post_init__(self) -> None:
        if not 1 <= self.each <= MOST_EACH:
            raise ValueError(f"orders: 1 to {MOST_EACH} for each of the participants")

    @property
    def each(self) -> int:
        return self.orders // self.participants


class Place(msgspec.Struct, frozen=True):
    """Where the product runs; `keys`: the marking keys as its environment has them."""

    dsn: str
    sandbox: str
    keys: str


class _Nobody:
    """Seeding signs nothing; the workers sign in by themselves."""

    def of(self, participant: Participant) -> Signer:
        raise AssertionError(f"{participant.id} signs only in a worker")


async def _unsent(_topic: str, _message: WorkMessage) -> None:
    return None


async def seed(place: Place, load: Load) -> list[Player]:
    """The players: the big participants, then the one with a single order."""
    terms = Terms(
        worker_name="seeding", marking_suz_poll_mode=load.mode, marking_time_scale=load.scale
    )
    desk = await open_desk(
        place.dsn,
        terms=terms,
        times=Times(),
        addresses=Addresses(place.sandbox, place.sandbox, place.sandbox),
        keys=[base64.b64decode(key) for key in place.keys.split(",")],
        signers=_Nobody(),
        observer=Silent(),
        publish=_unsent,
    )
    try:
        user = await add_user(desk.database, f"load-{new_id()}", new_id())
        sizes = [*[load.each] * load.participants, 1]
        return [
            await _participant(desk, _player(place.sandbox, inn), load=load, user=user, count=count)
            for inn, count in zip(_inns(), sizes, strict=False)
        ]
    finally:
        await close_desk(desk)


def _inns() -> Iterator[str]:
    number = FIRST_INN
    while True:
        number += 1
        yield next(f"{number}{digit}" for digit in range(10) if is_inn(f"{number}{digit}"))


def _player(origin: str, inn: str) -> Player:
    """A participant of the emulator whose orders stay PENDING, under the limits of the manual."""
    player = Player(httpx.Client(base_url=origin, timeout=60, trust_env=False), inn)
    switches = {
        "delays": {"pending": 0.0, "active": NEVER_S},
        "limits": {"queued_orders": MOST_EACH},
    }
    player.reset(seed=inn, switches=switches)
    return player


async def _participant(desk: Desk, player: Player, *, load: Load, user: str, count: int) -> Player:
    passport = player.passport
    new = NewParticipant(
        inn=player.inn,
        name=passport["name"],
        oms_id=passport["oms_id"],
        oms_connection=passport["oms_connection"],
        signer_kind="demo",
        nk_apikey=passport["apikey"],
    )
    participant = await add_participant(desk, new, by=user)
    for number in range(count):
        async with desk.database.transaction() as tx:
            ready_ms = round(load.interval_s * 1_000 * number / count)
            await _order(tx, desk, player, participant=participant, user=user, ready_ms=ready_ms)
    return player


async def _order(
    tx: Transaction,
    desk: Desk,
    player: Player,
    *,
    participant: str,
    user: str,
    ready_ms: int,
) -> None:
    order = NewOrder(
        new_id(),
        participant,
        desk.terms.marking_flow_profile,
        "api",
        user,
        status=OrderStatus.EMITTING,
    )
    number = f"mk-{order.id.replace('-', '')}-1"
    form = {"products": [{"gtin": gtin_of(1), "quantity": 10}], "production_order_id": number}
    remote = player.control("POST", "/orders", form)["orderId"]
    await store.insert(tx, order, [NewLine(DraftLine(gtin_of(1), 10), {}, None)])
    row = await insert_station_row(tx, order_id=order.id, number=number, attempt=1, body=b"{}")
    await accept_order(tx, desk, row_id=row, suz_order_id=remote, ready_ms=ready_ms)
    # The runner has looked at it and waits for the polls.
    await tx.execute("update marking.orders set due_at = null where id = %(id)s", id=order.id)
