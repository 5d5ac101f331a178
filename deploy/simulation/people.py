"""Who writes to the system in one history: loaders, shops, Payments; all decided by the dice."""

import json
import random
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.contracts.topics import BATCHES, PAYMENTS, SALES
from app.domain.certificates.codes import RANDOM_BYTES, Code, certificate_id, generate, parse
from deploy.sandbox_payments.desk import Desk, Request, message
from deploy.sandbox_payments.manners import Word
from deploy.simulation.pipeline import PEPPER, Letter

NOMINAL = 3_000
ORDERS = 3


class Gift(NamedTuple):
    code: str
    id: str


def gifts(dice: random.Random, count: int) -> list[Gift]:
    made = []
    for _ in range(count):
        text = generate(dice.randbytes(RANDOM_BYTES))
        code = parse(text)
        assert isinstance(code, Code)
        made.append(Gift(text, certificate_id(code, PEPPER)))
    return made


def rfc3339(ms: int) -> str:
    at = datetime.fromtimestamp(ms // 1_000, UTC).replace(microsecond=ms % 1_000 * 1_000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def batches(dice: random.Random, stock: list[Gift]) -> list[Letter]:
    """Each code in one batch, some in a second one as well, one message twice."""
    rows: list[dict[str, Any]] = [
        {"row": n, "code": gift.code, "nominal": NOMINAL, "currency": "RUB"}
        for n, gift in enumerate(stock, 1)
    ]
    for row in rows:
        if dice.random() < 0.3:
            row["validityDays"] = dice.randint(1, 30)
    letters = [_batch("B1", rows)]
    if dice.random() < 0.3:
        letters.append(_batch("B2", [dice.choice(rows)]))
    return letters * dice.randint(1, 2)


def _batch(batch_id: str, rows: list[dict[str, Any]]) -> Letter:
    body = {"batchId": batch_id, "chunk": 1, "rows": rows}
    return BATCHES, batch_id, json.dumps(body).encode()


class Shop:
    """One order: versions of its sale, its payments; in whatever order they get posted."""

    def __init__(self, dice: random.Random, number: int, *, stock: list[Gift], now: int) -> None:
        self.order_id = f"SO-{number}"
        self._dice = dice
        self._stock = stock
        self._now = now

    def letters(self) -> list[Letter]:
        made = [*self._sales(), *self._payments()]
        made += [letter for letter in made if self._dice.random() < 0.3]
        if self._dice.random() < 0.7:
            self._dice.shuffle(made)
        return made

    def _sales(self) -> list[Letter]:
        dice = self._dice
        lines = {str(n): self._line(str(n)) for n in range(1, dice.randint(2, 3))}
        letters = [self._sale(1, lines, "Confirmed")]
        for version in range(2, 2 + dice.choice([0, 0, 1, 1, 2, 3])):
            status = "Confirmed"
            match dice.randint(0, 5):
                case 0 | 1:
                    name = dice.choice(list(lines))
                    lines = {**lines, name: self._line(name)}
                case 2:
                    lines = {
                        k: {**v, "price": dice.choice([2_000, 3_000])} for k, v in lines.items()
                    }
                case 3 if len(lines) > 1:
                    lines = dict(list(lines.items())[1:])
                case 4:
                    status = "Cancelled"
            letters.append(self._sale(version, lines, status))
        return letters

    def _line(self, name: str) -> dict[str, Any]:
        dice = self._dice
        return {
            "orderLineId": name,
            "code": dice.choice(self._stock).code,
            "nominal": dice.choice([NOMINAL] * 9 + [NOMINAL + 1]),
            "currency": dice.choice(["RUB"] * 19 + ["USD"]),
            "delivery": dice.choice(["SMS", "NONE"]),
        }

    def _sale(self, version: int, lines: dict[str, dict[str, Any]], status: str) -> Letter:
        body: dict[str, Any] = {
            "orderId": self.order_id,
            "version": version,
            "occurredAt": rfc3339(self._now + version),
            "orderStatus": status,
            "certificateLines": list(lines.values()),
        }
        if self._dice.random() < 0.8:
            body["buyer"] = {"phone": "+79990000001", "lang": "ru"}
        return SALES, self.order_id, json.dumps(body).encode()

    def _payments(self) -> list[Letter]:
        dice, letters = self._dice, []
        at = 0
        for number in range(1, dice.randint(2, 4)):
            for version in range(1, dice.randint(2, 4)):
                at += 1
                statuses = ["Received"] * 6 + ["Authorized", "Cancelled", "ChargedBack"]
                status = dice.choice(
                    statuses if version == 1 else [*statuses, "ChargebackReversed"]
                )
                letters.append(self._payment(number, version, status, at=at))
        if dice.random() < 0.8:
            letters.append(self._payment(9, 1, "Received", at=at + 1, settles=True))
        return letters

    def _payment(
        self, number: int, version: int, status: str, /, *, at: int, settles: bool | None = None
    ) -> Letter:
        dice = self._dice
        settled = dice.choice([None, False, True]) if settles is None else settles
        choices: list[dict[str, Any]] = [
            {"orderLineId": dice.choice(["1", "2", "3"]), "amount": dice.choice([500, 3_000])},
            {"amount": dice.choice([1, 2_500])},
        ]
        entries = choices[: dice.randint(0, 2)]
        body: dict[str, Any] = {
            "orderId": self.order_id,
            "paymentId": f"{self.order_id}-P{number}",
            "version": version,
            "occurredAt": rfc3339(self._now + at),
            "paymentStatus": status,
            "amount": sum(entry["amount"] for entry in entries),
            "currency": "RUB",
        }
        if entries or dice.random() < 0.8:
            body["certificateAllocations"] = entries
        if settled is not None:
            body |= {"isOrderSettled": settled, "outstandingAmount": 0 if settled else 100}
        return PAYMENTS, self.order_id, json.dumps(body).encode()


class Payments:
    """The stand-in's books, with words that wait for their moment."""

    def __init__(self, seed: int) -> None:
        self.desk = Desk(seed, "any")
        self.heard = 0
        self._waiting: list[tuple[int, Request, Word]] = []

    def hear(self, data: dict[str, Any], now: int) -> None:
        request, words = self.desk.hear(data)
        self._waiting += [(now + word.after_ms, request, word) for word in words]

    def next_at(self) -> int | None:
        return min((at for at, _, _ in self._waiting), default=None)

    def due(self, now: int) -> list[Letter]:
        """What is said now, in the order it was meant to be said."""
        ready = [one for one in self._waiting if one[0] <= now]
        self._waiting = [one for one in self._waiting if one[0] > now]
        letters = []
        for _, request, word in ready:
            request.said.append(word)
            body = json.dumps(message(request, word, rfc3339(now))).encode()
            letters.append((PAYMENTS, request.order_id, body))
        return letters
