"""What a retailer's systems would send in a day, with the disorder they send it in."""

import random
import secrets
from datetime import UTC, datetime, timedelta
from typing import TypedDict

import msgspec

from app.domain.certificates.codes import RANDOM_BYTES, generate

NOMINALS = (50_000, 100_000, 300_000, 500_000)
Message = tuple[str, bytes]
_json = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True):
    order_id: str
    order_line_id: str
    code: str
    nominal: int


class Row(TypedDict, total=False):
    row: int
    code: str
    nominal: int
    currency: str
    validityDays: int


class Day(msgspec.Struct, frozen=True):
    """`rows`: of the batch; `sold`: the lines whose certificates end active."""

    batch_id: str
    rows: list[Row]
    sales: list[Message]
    payments: list[Message]
    sold: list[Line]
    orders: int
    malformed: int


def new_code() -> str:
    return generate(secrets.token_bytes(RANDOM_BYTES))


def day(certificates: int, seed: int) -> Day:
    """Orders of one to four lines over half of the certificates; the rest stays unsold."""
    rng = random.Random(seed)  # noqa: S311 - the order of messages is no secret
    rows: list[Row] = [
        {"row": n, "code": new_code(), "nominal": rng.choice(NOMINALS), "currency": "RUB"}
        for n in range(1, certificates + 1)
    ]
    for row in rows[::3]:
        row["validityDays"] = 365
    run = secrets.token_hex(3)
    orders: list[list[Line]] = []
    at = 0
    while at < certificates // 2:
        count = min(rng.randint(1, 4), certificates - at)
        order_id = f"SO-{run}-{len(orders) + 1}"
        orders.append(
            [
                Line(order_id, str(i + 1), rows[at + i]["code"], rows[at + i]["nominal"])
                for i in range(count)
            ]
        )
        at += count
    sales = [message for lines in orders for message in _sale(lines)]
    payments = [message for lines in orders for message in _payments(lines, rng)]
    bad = [(f"SO-{run}-bad", b'{"orderId": 7, "certificateLines": [{"code": "?"}]}')]
    return Day(
        f"demo-{run}",
        rows,
        _disorder(sales + bad, rng),
        _disorder(payments, rng),
        [line for lines in orders for line in lines],
        len(orders),
        len(bad),
    )


def _sale(lines: list[Line]) -> list[Message]:
    order_id = lines[0].order_id
    message = {
        "orderId": order_id,
        "version": 1,
        "occurredAt": _moment(0),
        "orderStatus": "Confirmed",
        "storeId": "S17",
        "channel": "WEB",
        "buyer": {"phone": "+79990000001", "lang": "ru"},
        "certificateLines": [
            {
                "orderLineId": line.order_line_id,
                "code": line.code,
                "nominal": line.nominal,
                "currency": "RUB",
                "delivery": "SMS",
            }
            for line in lines
        ],
    }
    return [(order_id, _json(message))]


def _payments(lines: list[Line], rng: random.Random) -> list[Message]:
    """One payment, or two halves of which only the newer settles."""
    total = sum(line.nominal for line in lines)
    parts = [total] if rng.random() < 0.7 else [total // 3, total - total // 3]
    messages = []
    for n, part in enumerate(parts, 1):
        last = n == len(parts)
        allocations = (
            [{"amount": part}]
            if len(parts) > 1
            else [{"orderLineId": line.order_line_id, "amount": line.nominal} for line in lines]
        )
        message = {
            "orderId": lines[0].order_id,
            "paymentId": f"{lines[0].order_id}-P{n}",
            "version": 1,
            "occurredAt": _moment(n),
            "paymentStatus": "Received",
            "amount": part,
            "currency": "RUB",
            "certificateAllocations": allocations,
            "isOrderSettled": last,
            "outstandingAmount": 0 if last else total - part,
        }
        messages.append((lines[0].order_id, _json(message)))
    return messages


def _disorder(messages: list[Message], rng: random.Random) -> list[Message]:
    """Every tenth message twice, all of them in any order."""
    twice = messages + [m for m in messages if rng.random() < 0.1]
    rng.shuffle(twice)
    return twice


def _moment(seconds: int) -> str:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def batch_messages(made: Day, size: int = 250) -> list[Message]:
    """The rows as messages of the batch topic, at most 500 a message."""
    return [
        (
            made.batch_id,
            _json(
                {
                    "batchId": made.batch_id,
                    "chunk": chunk,
                    "rowsTotal": len(made.rows),
                    "rows": made.rows[start : start + size],
                }
            ),
        )
        for chunk, start in enumerate(range(0, len(made.rows), size), 1)
    ]
