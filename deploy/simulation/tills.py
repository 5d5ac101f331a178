"""Tills and operators: they ask, hear nothing, ask again with the same key, and keep notes."""

import random
from collections.abc import Callable
from typing import Any

import msgspec

from app.domain.certificates.commands import ReadCertificate, ReleaseCertificate
from app.domain.certificates.ids import parse_authorization_id
from app.domain.certificates.problems import is_stored
from app.domain.decision import Reply
from app.domain.policy import HOUR_MS
from deploy.simulation.ideas import Ideas
from deploy.simulation.people import Gift
from deploy.simulation.pipeline import Pipeline
from deploy.simulation.post import Broken

REPEATS_MAX_MS = 12 * HOUR_MS
# Their answers are not kept: a read has none, and nobody remembers for what was never issued.
_FORGOTTEN = (ReadCertificate, ReleaseCertificate)


class Operation:
    """One request under one key; `reply` is the first clear answer."""

    def __init__(self, key: str, command: msgspec.Struct, began: int) -> None:
        self.key = key
        self.command = command
        self.began = began
        self.waiting = False
        self.reply: Reply | None = None

    @property
    def kind(self) -> str:
        return type(self.command).__name__

    @property
    def done(self) -> bool:
        return self.reply is not None and self.reply.code is None


class Tills:
    """All callers of one history."""

    def __init__(self, dice: random.Random, pipeline: Pipeline, stock: list[Gift]) -> None:
        self.operations: list[Operation] = []
        self.ideas = Ideas(dice, stock, pipeline.public)
        self._dice = dice
        self._pipeline = pipeline
        self._asked = 0

    def act(self) -> None:
        chance = self._dice.random()
        unclear = self.unclear() if chance < 0.4 else []
        old = self._dice.choice(self.operations) if chance > 0.8 and self.operations else None
        if unclear:
            self._ask(self._dice.choice(unclear))
        elif old is not None and self._may_repeat(old):
            self._ask(old)
        else:
            self.ideas.now = self._pipeline.now
            self.start(*self.ideas.next())

    def start(self, key: str, command: msgspec.Struct) -> None:
        operation = Operation(key, command, self._pipeline.now)
        self.operations.append(operation)
        self._ask(operation)

    def unclear(self) -> list[Operation]:
        return [one for one in self.operations if one.reply is None and not one.waiting]

    def ask_again(self) -> bool:
        """Everybody who heard nothing asks; True if anybody did."""
        unclear = self.unclear()
        for operation in unclear:
            self._ask(operation)
        return bool(unclear)

    def _may_repeat(self, operation: Operation) -> bool:
        reply = operation.reply
        if reply is None or operation.waiting or isinstance(operation.command, _FORGOTTEN):
            return False
        young = self._pipeline.now - operation.began < REPEATS_MAX_MS
        return young and (reply.code is None or is_stored(reply.code))

    def _ask(self, operation: Operation) -> None:
        self._asked += 1
        instance = f"req_{self._asked}"
        command: Any = operation.command
        if not isinstance(command, ReadCertificate):
            call = msgspec.structs.replace(command.call, instance=instance)
            command = msgspec.structs.replace(command, call=call)
        operation.waiting = True
        self._pipeline.ask(operation.key, command, instance, answer=self._hearing(operation))

    def _hearing(self, operation: Operation) -> Callable[[Reply | None], None]:
        def hear(reply: Reply | None) -> None:
            operation.waiting = False
            if reply is None:
                return
            first = operation.reply
            if first is None:
                operation.reply = reply
                self._note(reply)
            elif _words(first) != _words(reply):
                raise Broken(f"{operation.command}: {_words(first)}, then {_words(reply)}")

        return hear

    def _note(self, reply: Reply) -> None:
        hold = reply.fields.get("authorizationId")
        named = parse_authorization_id(hold) if hold else None
        if named is not None and named not in self.ideas.holds:
            self.ideas.holds.append(named)


def _words(reply: Reply) -> tuple[Any, ...]:
    return reply.status, reply.code, reply.instance, reply.fields
