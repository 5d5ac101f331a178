"""The broker as played here: append-only lists, and what readers make of public topics."""

from collections import defaultdict
from typing import Any, NamedTuple

import msgspec

from app.contracts.topics import BI, ORDER_STATE, REFUND_REQUESTS, STATE, TRANSACTION


class Broken(AssertionError):
    """A law or an agreement does not hold; the text says which."""


class Stored(NamedTuple):
    """One record as the ledger's draft wants to see it."""

    value: bytes
    offset: int
    key: bytes = b""
    topic: str = ""
    timestamp: int = 0


class Lane:
    """Messages of one foreign key: their order among themselves is the sender's."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.position = 0

    @property
    def waiting(self) -> bool:
        return self.position < len(self.messages)


class Public:
    """What the retailer's systems know: each event once, in the order of its key."""

    def __init__(self) -> None:
        self.transactions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.states: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.refund_requests: list[dict[str, Any]] = []
        self.dead: list[tuple[str, bytes]] = []
        self.notifications: dict[bytes, int] = {}
        self._seen: set[bytes] = set()
        self._names: set[str] = set()
        self._newest: dict[tuple[str, str], tuple[int, int]] = {}

    def take(self, topic: str, key: str, value: bytes) -> None:
        if value in self._seen:
            return
        self._seen.add(value)
        event = msgspec.json.decode(value)
        name = f"{topic} {event['id']}"
        if name in self._names:
            raise Broken(f"{name} was published with two contents")
        self._names.add(name)
        place = (event["sequence"], event["n"])
        if place <= self._newest.get((topic, key), (0, -1)):
            raise Broken(f"{name} came after {self._newest[topic, key]}")
        self._newest[topic, key] = place
        self._keep(topic, key, event["data"])

    def _keep(self, topic: str, key: str, data: dict[str, Any]) -> None:
        match topic:
            case _ if topic == STATE:
                self.states[key] = data
            case _ if topic == TRANSACTION:
                self.transactions[key].append(data)
            case _ if topic == ORDER_STATE:
                self.orders[key] = data
            case _ if topic == REFUND_REQUESTS:
                self.refund_requests.append(data)
            case _:
                assert topic == BI, topic
