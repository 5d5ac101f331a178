"""Which lookups of a doubtful call count: complete ones, each after its delay."""

from app.marking.calls import CallRow, lookup_due
from app.marking.database import Transaction
from app.marking.terms import Terms


def lookups_with(row: CallRow, terms: Terms, *, at: int) -> int:
    """How many lookups count with the one at `at`; before its delay has passed it does not."""
    early = at < lookup_due(row, terms)
    return row.reconcile_step if early else row.reconcile_step + 1


async def looked_in_vain(tx: Transaction, call_id: str, *, lookups: int) -> None:
    """A complete lookup found nothing: if it counts, the next delay starts now."""
    await tx.execute(
        """update marking.calls set not_before = null, look_now = false, looked_at = case
               when reconcile_step < %(lookups)s then clock_timestamp() else looked_at end,
               reconcile_step = %(lookups)s
           where id = %(id)s and state = 'UNKNOWN'""",
        lookups=lookups,
        id=call_id,
    )
