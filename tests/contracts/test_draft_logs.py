"""What a log says of a command that failed: enough to find its entity, nothing secret."""

from typing import Any, cast

import msgspec
from structlog.testing import capture_logs

from app.domain.policy import Policy
from tables.draft import Draft, Request
from tables.entities import Entities, Registry
from tables.store import Store
from tests.contracts.engine import ENTITY, Deposit, Feed, command


class Nothing:
    """A store that is empty."""

    def get(self, _key: bytes) -> None:
        return None


async def test_a_failure_names_the_command_and_its_entity() -> None:
    registry = Registry((msgspec.structs.replace(ENTITY, last4=lambda _account: "R6N4"),))
    draft = Draft(Entities(cast("Store", Nothing()), registry), registry, Policy())
    good = command("k1", Deposit(1, due=5, at_due=-1), id="e:0")
    bad = command("k1", Deposit(1, fail=True), id="e:1")
    asked = Request("k1", Deposit(1, fail=True), command_id="req_1", now=1, deadline=1)
    with capture_logs() as lines:
        for record in Feed().batch(0, good, bad, b"GC7K2M9TXQ4P0D8VR6N4").records:
            draft.take(record, lambda now: now)
        draft.answer(asked, 1)
        draft.due(5, b"ak1", 10)
        draft.give_up_due(5, b"ak1")
    told = {"kind": "account", "entity": "k1", "last4": "R6N4"}
    assert [shown(line) for line in lines] == [
        ("command is poison", {"command": "Deposit", "command_id": "e:1", **told}),
        ("command is poison", {}),
        ("decision raised", {"command": "Deposit", "command_id": "req_1", **told}),
        ("due work raised", told),
        ("due work did nothing, not asked again", told),
    ]
    assert "GC7K" not in str(lines)


def shown(line: Any) -> tuple[str, dict[str, Any]]:
    names = ("command", "command_id", "kind", "entity", "last4")
    return line["event"], {name: line[name] for name in names if name in line}
