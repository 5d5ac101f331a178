"""What clients asked and heard: the histories that a judge compares with the public topics."""

from typing import Any

import msgspec


class Operation(msgspec.Struct):
    """One call with all its repetitions; times are seconds of one monotonic clock.

    `status` 0: never clearly answered. `certificate` is filled when an answer names it.
    """

    kind: str
    code_index: int
    key: str
    body: dict[str, Any]
    began: float
    ended: float = 0.0
    status: int = 0
    answer: dict[str, Any] = {}
    attempts: int = 0

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


class History:
    """Grows by one entry per operation; the run's length bounds it."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.longest_wait_s: dict[int, float] = {}

    def add(self, operation: Operation) -> None:
        self.operations.append(operation)
        waited = operation.ended - operation.began
        known = self.longest_wait_s.get(operation.code_index, 0.0)
        self.longest_wait_s[operation.code_index] = max(known, waited)

    def of(self, *kinds: str) -> list[Operation]:
        return [one for one in self.operations if one.kind in kinds]

    @property
    def unknown(self) -> int:
        return sum(one.status == 0 for one in self.operations)
