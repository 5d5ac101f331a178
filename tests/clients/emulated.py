"""One participant of the emulator and our clients that call it."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import msgspec

from app.integrations import suz
from app.integrations.errors import Upstream
from app.integrations.http import UpstreamClient
from app.integrations.redaction import Secret
from app.integrations.requests import Access, by_bearer, by_station
from deploy.sandbox.cards import gtin_of
from deploy.sandbox.driver import Player, order_form
from tests.clients.conftest import Claims, Turns, Watcher

INN = "7700000016"
SHIRT, SOCKS = gtin_of(1), gtin_of(2)
TNVED = "6109100000"
NUMBER = "mk-" + "b" * 32 + "-1"
PARTICIPANT = "participant"


@contextmanager
def playing(origin: str) -> Iterator[Player]:
    """A fresh participant, signed in, whose clock stands still."""
    with httpx.Client(base_url=origin, timeout=30) as http:
        someone = Player(http, INN)
        someone.reset(seed="clients")
        someone.control("PUT", "/clock", {"mode": "manual"})
        someone.sign_in()
        yield someone


class Upstreams:
    """Our clients of the three systems that the emulator stands for."""

    def __init__(self, origin: str, watcher: Watcher) -> None:
        def client(upstream: Upstream) -> UpstreamClient:
            return UpstreamClient(upstream, origin, limiter=Turns(), observer=watcher)

        self.nk = client(Upstream.NK)
        self.true_api = client(Upstream.TRUE_API)
        self.suz = client(Upstream.SUZ)

    async def aclose(self) -> None:
        for client in (self.nk, self.true_api, self.suz):
            await client.aclose()


def station(player: Player) -> Access:
    return by_station(PARTICIPANT, player.oms_id, client_token=Secret(player.client_token))


def bearer(player: Player) -> Access:
    return by_bearer(PARTICIPANT, Secret(player.bearer))


def pass_time(player: Player, seconds: int) -> None:
    player.control("PUT", "/clock", {"advance_s": seconds})


def cms(player: Player, payload: bytes, *, detached: bool = True) -> bytes:
    return base64.b64decode(player.sign(payload, detached=detached))


def order_body(count: int = 3) -> bytes:
    return msgspec.json.encode(order_form((SHIRT, count), number=NUMBER))


async def order(clients: Upstreams, player: Player, claim: Claims, *, count: int = 3) -> str:
    body = order_body(count)
    accepted = await suz.create_order(
        clients.suz, station(player), body=body, signature=cms(player, body), claim=claim
    )
    return accepted.value.order_id


def orders_posted(player: Player) -> int:
    return len(player.control("GET", "/journal?operation=suz.create_order"))
