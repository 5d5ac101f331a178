"""Full codes out of their sealed blocks, in the order of blocks and positions."""

import msgspec

from app.integrations.suz_answers import CodesBlock
from app.marking.database import Database, Transaction, raw
from app.marking.sealing import Sealer, block_place


async def block_codes(source: Database | Transaction, sealer: Sealer, block_id: str) -> list[str]:
    """The codes of one block exactly as they were received."""
    row = await source.one(
        "select body_enc from marking.code_blocks where block_id = %(id)s", id=block_id
    )
    assert row is not None, "codes and issues refer to stored blocks"
    body = sealer.open_packed(raw(row["body_enc"]), place=block_place(block_id))
    return msgspec.json.decode(body, type=CodesBlock).codes


async def full_codes(
    tx: Transaction, sealer: Sealer, *, order_id: str, gtin: str | None = None
) -> list[tuple[str, str]]:
    """(КИ, full code) of every well-formed code of an order, or of one line of it."""
    rows = await tx.rows(
        """select c.ki, c.block_id, c.pos from marking.codes c
           join marking.code_blocks b on b.block_id = c.block_id
           where c.order_id = %(order)s and (%(gtin)s::text is null or c.gtin = %(gtin)s)
                 and not c.malformed
           order by c.gtin, b.received_at, b.block_id, c.pos""",
        order=order_id,
        gtin=gtin,
    )
    opened: dict[str, list[str]] = {}
    found = []
    for row in rows:
        block = row["block_id"]
        if block not in opened:
            opened[block] = await block_codes(tx, sealer, block)
        found.append((row["ki"], opened[block][row["pos"]]))
    return found
