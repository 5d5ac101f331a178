"""What clients heard, held against the clerk's model and against the public events."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from deploy.proving.books import Event
from deploy.proving.clerk import ABSENT, BY_TOPIC, apply
from deploy.proving.history import History, Operation
from deploy.proving.linearizability import Undecided, explained

EXAMPLES = 10
Mark = tuple[str, str]
# What the event of an operation is, and by which member the operation knows it.
_MARKS = {
    "authorize": ("Authorized", "reference"),
    "capture": ("Captured", "receipt"),
    "void": ("Voided", "authorizationId"),
    "restore": ("Restored", "receipt"),
    "reverse": ("Reversed", "reference"),
    "refund": ("RefundRequested", "refundRequestId"),
}
# By which member of an event the operation that made it is known.
_NAMES = {
    "Authorized": "reference",
    "Captured": "receipt_number",
    "Voided": "authorization_id",
    "Restored": "receipt_number",
    "Reversed": "reference",
    "RefundRequested": "refund_request_id",
}


class Verdict(msgspec.Struct):
    """Counts of what must not be; all zero is the promise.

    `lost`: acknowledged, but no event; `doubled`: more than one; `unasked`: an event of an
    operation that was refused or never asked for; `undecided`: histories too wide to judge.
    """

    lost: int = 0
    doubled: int = 0
    unasked: int = 0
    answered_otherwise: int = 0
    not_linearizable: int = 0
    undecided: int = 0
    judged: int = 0
    examples: list[str] = []

    @property
    def clean(self) -> bool:
        wrong = (self.lost, self.doubled, self.unasked, self.answered_otherwise)
        return not any((*wrong, self.not_linearizable, self.undecided))

    def add(self, example: str) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


def judge(history: History, nominals: list[int], events: Iterable[Event]) -> Verdict:
    """`nominals`: by number of the card."""
    verdict = Verdict(answered_otherwise=len(history.answered_otherwise), examples=[])
    for operation in history.answered_otherwise:
        verdict.add(f"repeated and answered otherwise: {_told(operation)}")
    for card, operations in history.by_card().items():
        _history(verdict, operations, nominals[card])
    _events(verdict, history, events)
    return verdict


def _history(verdict: Verdict, operations: list[Operation], nominal: int) -> None:
    verdict.judged += 1
    first = min(operation.began for operation in operations)
    names = {one.answer["certificateId"] for one in operations if "certificateId" in one.answer}
    if len(names) > 1:
        verdict.not_linearizable += 1
        verdict.add(f"one code, several certificates: {names}")
    by_topic = [Operation(kind, 0, {"nominal": nominal}, first) for kind in BY_TOPIC]
    try:
        culprit = explained([*by_topic, *operations], ABSENT, apply)
    except Undecided:
        verdict.undecided += 1
        verdict.add(f"too many orders to judge card {operations[0].card}")
        return
    if culprit is not None:
        verdict.not_linearizable += 1
        verdict.add(f"nothing explains the answer to {_told(culprit)}")


def _events(verdict: Verdict, history: History, events: Iterable[Event]) -> None:
    """Each acknowledged mutation is one event; others are there only if they may be."""
    found = Counter(mark for event in events if (mark := _mark_of(event)) is not None)
    unnamed = any(one.kind == "refund" and not one.is_answered for one in history.operations)
    allowed = set()
    for operation in history.operations:
        mark = _mark(operation)
        if mark is None:
            continue
        if not operation.is_answered or operation.acknowledged:
            allowed.add(mark)
        if operation.acknowledged and not found[mark]:
            verdict.lost += 1
            verdict.add(f"lost: {_told(operation)}")
    for mark, count in found.items():
        if count > 1:
            verdict.doubled += 1
            verdict.add(f"{count} times: {' '.join(mark)}")
        if mark not in allowed and not (unnamed and mark[0] == "RefundRequested"):
            verdict.unasked += 1
            verdict.add(f"nobody was told of {' '.join(mark)}")


def _mark(operation: Operation) -> Mark | None:
    """What its event is known by; None if it has none."""
    kind, answer = operation.kind, operation.answer
    known = {**operation.asked, **answer}
    if kind not in _MARKS or answer.get("outcome", "reversed") != "reversed":
        return None
    type_, member = _MARKS[kind]
    return (type_, known[member]) if member in known else None


def _mark_of(event: Event) -> Mark | None:
    type_ = event.data.transaction_type
    name = _NAMES.get(type_)
    return None if name is None else (type_, str(getattr(event.data, name)))


def _told(operation: Operation) -> str:
    heard = {name: value for name, value in operation.answer.items() if name != "certificateId"}
    return f"{operation.kind} {operation.asked} of card {operation.card}: {heard}"
