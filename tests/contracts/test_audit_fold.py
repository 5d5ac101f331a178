"""The auditor's arithmetic agrees with the law on every history that the law can write."""

import random
from typing import Any

import msgspec
import pytest

from app.certificates.audit_findings import AuditResult, Findings
from app.certificates.audit_journal import JournalFold, StoredMoney, domain_laws
from app.certificates.audit_partition import PartitionAudit
from app.certificates.publishing import Publisher
from app.contracts import wire
from app.contracts.topics import STATE, TRANSACTION
from app.domain.certificates.certificate import decide
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    Authorize,
    BlockCertificate,
    Call,
    CancelCertificate,
    CancelRefund,
    Capture,
    Command,
    Due,
    ExtendValidity,
    IssueCertificate,
    RefundUpdate,
    ReleaseCertificate,
    RequestRefund,
    ResolveRefund,
    Restore,
    Reverse,
    UnblockCertificate,
    VoidHold,
)
from app.domain.certificates.events import Moved
from app.domain.certificates.kept_holds import all_holds
from app.domain.certificates.state import Certificate
from app.domain.decision import Context
from app.domain.policy import DAY_MS, HOUR_MS, Policy

ID = "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe"
START = 1_788_166_800_000
POLICY = Policy()
ISSUE = IssueCertificate("R6N4", False, 3_000, "RUB", None, 20, None, None, "B", 1, 1, 1)
SOLD = (
    ISSUE,
    AllocateCertificate("SO-1", "1", 1, 3_000, "RUB"),
    ActivateCertificate("SO-1", "1", 1),
)


class Life:
    """One certificate lived by the law, journaled and published, then handed to the auditor."""

    def __init__(self) -> None:
        self.now = START
        self.sequence = 0
        self.count = 0
        self.state: Certificate | None = None
        self.pages: dict[int, Any] = {}
        self.kinds: set[str] = set()
        self.journal = JournalFold(domain_laws)
        self.public: list[tuple[str, bytes]] = []
        self._publisher = Publisher(POLICY, lambda value: ("k", value))

    def do(self, command: Command) -> None:
        self.count += 1
        name, page = f"in-{self.count}", self.pages.__getitem__
        decision = decide(self.state, command, Context(ID, name, self.now, POLICY, page))
        self.pages.update(decision.pages)
        if decision.state is self.state and not decision.events and not decision.follow_ups:
            return
        self.state = decision.state
        self.sequence += 1
        self.kinds |= {kind_of(event) for event in decision.events if isinstance(event, Moved)}
        state, events = raw(decision.state), raw(decision.events)
        record = wire.JournalRecord(wire.STATE_SCHEMA, 1, self.sequence, state, events)
        key = wire.CERTIFICATE + ID.encode()
        assert self.journal.take(key, wire.encode(record)) == []
        for output in self._publisher.outputs(key, record, self.now):
            self.public.append((output.topic, output.value))

    def audited(self) -> AuditResult:
        findings = Findings()
        partition = PartitionAudit(self.journal, findings)
        for topic, value in self.public:
            if topic == STATE:
                partition.state(value)
            elif topic == TRANSACTION:
                partition.transaction(value)
        assert partition.behind == 0
        partition.close(complete=True)
        return findings.result()


def kind_of(event: Moved) -> str:
    return event.type + " late" * event.late + " bounced" * event.bounced


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


def call(key: int) -> Call:
    unique = str(key).encode().ljust(16, b".")
    return Call("till", "POS", "op", unique, unique, f"req_{key}")


def some_command(chance: random.Random, life: Life) -> Command:
    by = call(life.count)
    hold = chance.randint(1, 4)
    amount = chance.choice([1, 300, 500, 1_000, 3_000])
    request = f"rf_{ID[3:]}_{chance.randint(1, 3)}"
    update = chance.choice(["RefundSettled", "RefundFailed", "RefundInitiated"])
    paid = life.state.refund.amount if life.state and life.state.refund else amount
    attempt = chance.randint(1, 2)
    builders: list[Command] = [
        Authorize(amount, "RUB", f"ref-{life.count}", True, None, by),
        Authorize(amount, "RUB", f"ref-{life.count}", True, None, by),
        Capture(hold, chance.choice([None, 1, 200]), chance.random() < 0.7, "4711", by),
        Capture(hold, None, True, None, by),
        VoidHold(hold, by),
        Restore(hold, chance.choice([1, 200, 1_000]), None, by),
        Reverse(f"ref-{chance.randint(3, life.count)}", life.now, by),
        RequestRefund("POS", "Cash", None, None, None, None, by),
        RefundUpdate(request, attempt, update, life.count, life.now, paid, None, None),
        RefundUpdate(request, attempt, update, life.count, life.now, paid, None, None),
        ResolveRefund(request, "Settled", amount, "by hand", by),
        ResolveRefund(request, "Failed", None, "by hand", by),
        CancelRefund(request, None, by),
        BlockCertificate("fraud", call=by),
        UnblockCertificate("fraud", call=by),
        UnblockCertificate("refund-conflict", call=by),
        ExtendValidity(life.now + 9 * DAY_MS, "asked", by),
        ReleaseCertificate("SO-1", "1", 1),
        Due(),
    ]
    if chance.random() < 0.02:
        return CancelCertificate("lost", call=by)
    return chance.choice(builders)


def live(seed: int, steps: int) -> Life:
    chance = random.Random(seed)
    life = Life()
    for command in SOLD:
        life.do(command)
    for _ in range(steps):
        life.now += chance.choice([1_000, 1_000, 60_000, HOUR_MS, DAY_MS])
        life.do(some_command(chance, life))
    return life


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_law_writes_has_no_differences(seed: int) -> None:
    result = live(seed, 120).audited()
    assert result.differences == ()
    assert result.events > len(SOLD)


def test_these_lives_know_every_way_that_money_takes() -> None:
    kinds: set[Any] = set().union(*(live(seed, 120).kinds for seed in range(40)))
    assert kinds >= {
        "Activated", "Authorized", "Captured", "Voided", "HoldExpired", "Reversed", "Restored",
        "RefundRequested", "Refund", "RefundFailed", "Cancelled", "Blocked", "Expired",
        "Captured late", "Refund late", "RefundFailed bounced",
    }  # fmt: skip


def test_the_auditor_reads_the_fields_that_the_law_stores() -> None:
    names = StoredMoney.__struct_fields__
    assert Certificate.__struct_fields__[: len(names)] == names


def test_a_state_of_schema_1_is_judged_by_the_law_of_today() -> None:
    life = live(1, 40)
    assert life.state is not None
    state = msgspec.structs.replace(life.state, holds=tuple(all_holds(life.state)), closed={})
    assert len(state.holds) > state.open_holds
    key = wire.CERTIFICATE + ID.encode()
    for schema, complaint in ((1, []), (wire.STATE_SCHEMA, ["only what is held is open"])):
        record = wire.JournalRecord(schema, 1, 9, raw(state), raw(()))
        assert life.journal.take(key, wire.encode(record)) == complaint


def test_a_broken_law_is_named() -> None:
    life = live(1, 0)
    assert life.state is not None
    spoiled = msgspec.structs.replace(life.state, held=5)
    record = wire.JournalRecord(1, 1, 9, raw(spoiled), raw(()))
    broken = life.journal.take(wire.CERTIFICATE + ID.encode(), wire.encode(record))
    assert "held = sum of the rests of open holds" in broken
