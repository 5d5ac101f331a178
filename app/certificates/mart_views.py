"""Reads of the mart for operators: certificates found by what is known, their operations."""

from typing import Any

from app.certificates.database import Database, Row

AS_OF = "SELECT max(occurred_at) AS at FROM mart.operation"
OPERATIONS = """
SELECT event_id, sequence, n, occurred_at, transaction_type, amount, released, currency,
    d_available, d_held, d_refund_held, available_after, held_after, refund_held_after,
    balance_after, authorization_id, reference, refund_request_id, order_id, order_line_id,
    receipt_number, reason, late, bounced, store_id, terminal_id, channel, client, actor
FROM mart.operation
WHERE certificate_id = %(certificate_id)s AND (sequence, n) > (%(sequence)s, %(n)s)
ORDER BY sequence, n LIMIT %(limit)s
"""
CERTIFICATES = """
SELECT certificate_id, last4, status, lifecycle, blocks, currency, nominal, available, held,
    refund_held, balance, valid_until, order_id, order_line_id, batch_id, product_id,
    issued_at, activated_at, last_operation_at
FROM mart.certificate
WHERE sequence > 0 AND certificate_id > %(after)s
    AND (%(order_id)s::text IS NULL OR order_id = %(order_id)s)
    AND (%(last4)s::text IS NULL OR last4 = %(last4)s)
    AND (%(batch_id)s::text IS NULL OR batch_id = %(batch_id)s)
ORDER BY certificate_id LIMIT %(limit)s
"""


class MartViews:
    """`asOf` tells how far the mart has come: the time of its newest operation.

    It is asked for before the rows are: nothing up to then is missing in them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def operations(
        self, certificate_id: str, *, after: tuple[int, int], limit: int
    ) -> dict[str, Any]:
        (sequence, n), as_of = after, await self.as_of()
        found = await self._database.rows(
            OPERATIONS, certificate_id=certificate_id, sequence=sequence, n=n, limit=limit + 1
        )
        page = [_shown(row) for row in found[:limit]]
        last = found[limit - 1] if len(found) > limit else None
        more = {} if last is None else {"next": f"{last['sequence']}:{last['n']}"}
        return {"certificateId": certificate_id, "asOf": as_of, "operations": page, **more}

    async def certificates(
        self, wanted: dict[str, str | None], *, after: str, limit: int
    ) -> dict[str, Any]:
        """`wanted`: order_id, last4, batch_id, None for any."""
        as_of = await self.as_of()
        found = await self._database.rows(CERTIFICATES, **wanted, after=after, limit=limit + 1)
        page = [_shown(row) for row in found[:limit]]
        more = {"next": page[-1]["certificateId"]} if len(found) > limit else {}
        return {"asOf": as_of, "certificates": page, **more}

    async def as_of(self) -> str | None:
        row = await self._database.one(AS_OF)
        at: str | None = None if row is None else _moment(row["at"])
        return at


def _shown(row: Row) -> dict[str, Any]:
    named = {_camel(name): _moment(value) for name, value in row.items()}
    return {name: value for name, value in named.items() if value is not None}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _moment(value: Any) -> Any:
    if hasattr(value, "astimezone"):
        text: str = value.isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")
    return value
