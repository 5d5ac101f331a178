"""What the HTTP edge asks of the ledger."""

from typing import Protocol

from app.domain.certificates.commands import Command
from app.domain.decision import Reply


class LedgerPort(Protocol):
    """Errors are those of `tables/errors.py`."""

    @property
    def partitions(self) -> int: ...

    def owner_of(self, key: str) -> str | None:
        """None: this worker owns the key or is opening it; else the owner's internal URL.

        Raises OwnerUnavailable when nobody owns it.
        """

    async def request(
        self,
        key: str,
        command: Command,
        *,
        command_id: str,
        deadline: float,
        now: int | None = None,
    ) -> Reply:
        """The decision after its commit; `deadline` is a reading of the loop's clock.

        `now`: when it was accepted, ms; None: now, by the clock of the ledger.
        Raises OwnerUnavailable, DeadlineOver (nothing was decided) or OutcomeUnknown.
        """
