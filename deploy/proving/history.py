"""What clients asked and heard: the histories that the judges hold against the law."""

import math
from typing import Any

import msgspec


class Operation(msgspec.Struct):
    """One call with all its repetitions; times are seconds of one monotonic clock.

    `status` 0: never clearly answered; then `ended` is infinite, it may still have its effect.
    """

    kind: str
    card: int
    asked: dict[str, Any]
    began: float
    ended: float = math.inf
    status: int = 0
    answer: dict[str, Any] = {}
    attempts: int = 0

    @property
    def is_answered(self) -> bool:
        return self.status > 0

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300

    @property
    def still(self) -> bool:
        """Its answer says that it changed nothing."""
        return self.is_answered and (not self.acknowledged or self.kind == "lookup")


class History:
    """Grows by one entry per operation; the run's length bounds it."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.longest_wait_s: dict[int, float] = {}
        self.attempts = 0
        self.repetitions = 0
        self.answered_otherwise: list[Operation] = []

    def add(self, operation: Operation, waited_s: float) -> None:
        self.attempts += operation.attempts
        if operation.is_answered or operation.kind != "lookup":
            self.operations.append(operation)
        known = self.longest_wait_s.get(operation.card, 0.0)
        self.longest_wait_s[operation.card] = max(known, waited_s)

    def repeated(self, operation: Operation, *, same: bool) -> None:
        self.repetitions += 1
        if not same:
            self.answered_otherwise.append(operation)

    def of(self, *kinds: str) -> list[Operation]:
        return [one for one in self.operations if one.kind in kinds]

    def by_card(self) -> dict[int, list[Operation]]:
        cards: dict[int, list[Operation]] = {}
        for operation in self.operations:
            cards.setdefault(operation.card, []).append(operation)
        return cards

    @property
    def unknown(self) -> int:
        return sum(not one.is_answered for one in self.operations)
