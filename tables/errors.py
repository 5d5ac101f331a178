"""Why the ledger gave no decision.

LedgerError
├── OwnerUnavailable   nothing was decided: another owner, still opening, or too many wait
│   └── DeadlineOver   nothing was decided: the request's deadline passed while it waited
└── OutcomeUnknown     it may have been decided: ask again with the same key
"""


class LedgerError(Exception):
    """Base of all reasons; the text names partition and cause, never an entity."""


class OwnerUnavailable(LedgerError):
    pass


class DeadlineOver(OwnerUnavailable):
    pass


class OutcomeUnknown(LedgerError):
    pass


class WrongLedger(Exception):
    """A setting is not the one that the ledger was made with: the process must not go on."""


class CommandsLost(Exception):
    """Retention ate commands that were never decided: the partition stops and says so."""
