"""The books of the gateway: who was sent what, how often, and what is said about it."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from deploy.sandbox_sms.manners import DELAY_MS, MANNERS, Manner, Order

KEPT = 50_000
SECOND_MS = 1_000


class WrongRequest(Exception):
    """The text says what is wrong with a request."""


@dataclass(slots=True)
class Letter:
    """One id: `posts` that came in, `delivered` times (monotonic seconds) copies reach them."""

    id: str
    to: str
    channel: str
    text: str
    subject: str | None
    number: int
    posts: int = 0
    taken: int = 0
    refused: bool = False
    known_at: float = 0.0
    delivered: list[float] = field(default_factory=list)

    def view(self) -> dict[str, Any]:
        now = time.monotonic()
        return {
            "id": self.id,
            "to": self.to,
            "channel": self.channel,
            "text": self.text,
            "subject": self.subject,
            "posts": self.posts,
            "taken": self.taken,
            "delivered": sum(moment <= now for moment in self.delivered),
        }


class Gateway:
    def __init__(self, manner: str) -> None:
        self.letters: OrderedDict[str, Letter] = OrderedDict()
        self._usual = order_of({"manner": manner})
        self._for: dict[str, Order] = {}
        self._first = manner
        self._count = 0

    def command(self, body: dict[str, Any]) -> None:
        order, to = order_of(body), body.get("to")
        if to is None:
            self._usual = order
        else:
            self._for[str(to)] = order

    def forget(self) -> None:
        self.letters.clear()
        self._for.clear()
        self._usual = order_of({"manner": self._first})

    def take(self, body: dict[str, Any]) -> tuple[Letter, Manner, float]:
        """The letter, how it is treated, and the seconds that this takes."""
        letter = self._letter(body)
        order = self._order(letter.to, spend=True)
        manner, delay_s = MANNERS[order.name], order.delay_ms / SECOND_MS
        letter.posts += 1
        if manner.takes:
            now = time.monotonic()
            letter.taken += 1
            letter.refused = manner.regrets
            letter.known_at = now + (delay_s if manner.waits == "id" else 0)
            at = now + (delay_s if manner.waits == "delivery" else 0)
            letter.delivered += [at] * manner.copies
        return letter, manner, delay_s if manner.waits == "answer" else 0.0

    def find(self, name: str) -> Letter | None:
        letter = self.letters.get(name)
        if letter is None or not letter.taken or letter.known_at > time.monotonic():
            return None
        return letter

    def is_silent(self, name: str) -> bool:
        letter = self.letters.get(name)
        return self._order("" if letter is None else letter.to, spend=False).silent

    def _order(self, to: str, *, spend: bool) -> Order:
        order = self._for.get(to, self._usual)
        if order.left == 0:
            order.name, order.left = "prompt", None
        if spend and order.left is not None:
            order.left -= 1
            return Order(order.name, delay_ms=order.delay_ms, silent=order.silent)
        return order

    def _letter(self, body: dict[str, Any]) -> Letter:
        texts = [body.get(name) for name in ("id", "to", "channel", "text")]
        if not all(isinstance(text, str) and text for text in texts):
            raise WrongRequest("id, to, channel and text: texts are expected")
        name, to, channel, text = (str(text) for text in texts)
        if channel not in {"SMS", "EMAIL"}:
            raise WrongRequest("channel: SMS or EMAIL is expected")
        if name not in self.letters:
            self._count += 1
            self.letters[name] = Letter(name, to, channel, text, body.get("subject"), self._count)
            while len(self.letters) > KEPT:
                self.letters.popitem(last=False)
        return self.letters[name]


def order_of(body: dict[str, Any]) -> Order:
    name, times = body.get("manner"), body.get("times")
    if name not in MANNERS:
        raise WrongRequest(f"manner: one of {', '.join(MANNERS)} is expected")
    if times is not None and (not isinstance(times, int) or times < 1):
        raise WrongRequest("times: a number above 0 is expected")
    delay_ms = body.get("delay_ms", DELAY_MS)
    if not isinstance(delay_ms, int) or delay_ms < 0:
        raise WrongRequest("delay_ms: a number is expected")
    return Order(str(name), times, delay_ms, bool(body.get("silent")))
