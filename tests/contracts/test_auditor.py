"""The auditor finds nothing in a true history and every kind of lie in a false one."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from app.certificates.audit_findings import AuditResult
from app.certificates.audit_reading import TopicMissing
from app.certificates.auditor import AuditTopics, audit, audit_table
from app.contracts import wire
from app.contracts.messages import Delta
from app.kafka_access import KafkaAccess
from tests.contracts.fabricated import STEPS, History, produce

PATIENCE_S = 0.5
replace = msgspec.structs.replace


def lawless(_state: wire.JournalRecord) -> list[str]:
    """Fabricated certificates have money, but neither holds nor orders."""
    return []


async def audited(history: History, kafka: str) -> AuditResult:
    await history.send(kafka)
    return await audit(
        KafkaAccess(kafka), topics=history.topics, patience_s=PATIENCE_S, laws=lawless
    )


async def test_a_true_history_has_no_differences(kafka: str) -> None:
    result = await audited(History([f"gc_{n}" for n in range(20)]), kafka)
    assert result.differences == ()
    assert (result.certificates, result.events) == (20, 20 * len(STEPS))


@pytest.mark.parametrize("steps", [1, 4, 7])
async def test_a_history_is_true_wherever_it_stands(kafka: str, steps: int) -> None:
    result = await audited(History(["gc_a", "gc_b"], steps), kafka)
    assert result.differences == ()
    sums = result.totals["RUB"]
    assert sums.by_events == sums.by_states == sums.by_journal


async def test_what_a_publisher_repeats_is_no_difference(kafka: str) -> None:
    history = History(["gc_a", "gc_b"])
    public = [one for one in history.records if one[0] != history.topics.journal]
    history.records += public[-12:]
    result = await audited(history, kafka)
    assert result.differences == ()
    assert result.repetitions == 12


def lose_money(history: History) -> None:
    del history.records[history.find(history.topics.transaction, 5)]


def lose_a_mere_allocation(history: History) -> None:
    del history.records[history.find(history.topics.transaction, 2)]


def lose_the_last_transaction(history: History) -> None:
    del history.records[history.find(history.topics.transaction, len(STEPS))]


def lose_the_first_transaction(history: History) -> None:
    del history.records[history.find(history.topics.transaction, 1)]


def lose_the_last_state(history: History) -> None:
    del history.records[history.find(history.topics.state, len(STEPS))]


def lose_everything_public(history: History) -> None:
    history.records = [one for one in history.records if one[0] == history.topics.journal]


def double_under_a_new_id(history: History) -> None:
    place, event = history.transaction(5)
    topic, key, _ = history.records[place]
    again = msgspec.json.encode(replace(event, id=event.id + "0", n=10))
    history.records.insert(place + 1, (topic, key, again))


def repeat_with_other_content(history: History) -> None:
    place, event = history.transaction(4)
    topic, key, _ = history.records[place]
    other = replace(event, data=replace(event.data, reference="another"))
    history.records.append((topic, key, msgspec.json.encode(other)))


def falsify_a_delta(history: History) -> None:
    place, event = history.transaction(4)
    history.put(place, replace(event, data=replace(event.data, delta=Delta(-1_100, 1_200, 0))))


def falsify_an_amount(history: History) -> None:
    place, event = history.transaction(3)
    history.put(place, replace(event, data=replace(event.data, amount=2_999)))


def change_the_currency(history: History) -> None:
    place, event = history.transaction(3)
    history.put(place, replace(event, data=replace(event.data, currency="KZT")))


def show_another_state(history: History) -> None:
    place, shown = history.state(len(STEPS))
    history.put(place, replace(shown, data=replace(shown.data, captured=999)))


def show_another_lifecycle(history: History) -> None:
    place, shown = history.state(len(STEPS))
    history.put(place, replace(shown, data=replace(shown.data, lifecycle="Refunded")))


def show_another_shortfall(history: History) -> None:
    place, shown = history.state(len(STEPS))
    history.put(place, replace(shown, data=replace(shown.data, shortfall=1)))


def show_an_older_state_last(history: History) -> None:
    history.records.append(history.records[history.find(history.topics.state, 4)])


def create_money_in_public(history: History) -> None:
    """Consistent in itself: only the journal knows better."""
    place, event = history.transaction(len(STEPS))
    data = event.data
    richer = replace(
        data, delta=Delta(1_000, 0, 0), after=replace(data.after, available=1_000, balance=1_000)
    )
    history.put(place, replace(event, data=richer))


def create_money_in_the_journal(history: History) -> None:
    place = max(n for n, one in enumerate(history.records) if one[1][:1] == wire.CERTIFICATE)
    topic, key, value = history.records[place]
    record = wire.decode_journal(value)
    state = msgspec.msgpack.decode(record.state)
    state[18] += 500
    raw = msgspec.Raw(msgspec.msgpack.encode(state))
    history.records[place] = (topic, key, wire.encode(replace(record, state=raw)))


def publish_a_stranger(history: History) -> None:
    other = History(["gc_stranger"], 3)
    names = {
        other.topics.state: history.topics.state,
        other.topics.transaction: history.topics.transaction,
    }
    history.records += [(names[t], key, value) for t, key, value in other.records if t in names]


def publish_garbage(history: History) -> None:
    history.records.append((history.topics.transaction, b"gc_a", b"{"))


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lose_money, "chain"),
        (lose_a_mere_allocation, "count"),
        (lose_the_last_transaction, "count"),
        (lose_the_first_transaction, "lost"),
        (lose_the_last_state, "stale"),
        (lose_everything_public, "lost"),
        (double_under_a_new_id, "chain"),
        (repeat_with_other_content, "changed"),
        (falsify_a_delta, "chain"),
        (falsify_an_amount, "amount"),
        (change_the_currency, "currency"),
        (show_another_state, "state"),
        (show_another_lifecycle, "state"),
        (show_another_shortfall, "state"),
        (show_an_older_state_last, "stale"),
        (create_money_in_public, "journal"),
        (create_money_in_the_journal, "money"),
        (publish_a_stranger, "unknown"),
        (publish_garbage, "unreadable"),
    ],
)
async def test_every_lie_is_found(kafka: str, spoil: Callable[[History], None], kind: str) -> None:
    history = History(["gc_a", "gc_b"])
    spoil(history)
    result = await audited(history, kafka)
    assert kind in result.kinds, result.kinds
    assert {one.entity for one in result.differences} <= {
        "gc_a", "gc_stranger", "RUB", "gc_b", "GiftCertificateTransaction",
    }  # fmt: skip
    assert str(result.difference_count) in str(list(audit_table(result).columns[1].cells))


async def test_it_waits_for_a_publisher_that_is_behind(kafka: str) -> None:
    history = History(["gc_a", "gc_b"])
    await history.create(kafka)
    journal = [one for one in history.records if one[0] == history.topics.journal]
    public = [one for one in history.records if one[0] != history.topics.journal]
    await produce(kafka, [*journal, *public[:9]])
    seen = asyncio.Event()
    auditing = asyncio.create_task(
        audit(
            KafkaAccess(kafka),
            topics=history.topics,
            patience_s=30,
            laws=lawless,
            progress=lambda _n: seen.set(),
        )
    )
    await seen.wait()
    await produce(kafka, public[9:])
    assert (await auditing).differences == ()


async def test_what_is_published_after_the_journals_end_is_left_to_the_next_audit(
    kafka: str,
) -> None:
    whole, short = History(["gc_a"]), History(["gc_a"], 7)
    public = [one for one in whole.records if one[0] != whole.topics.journal]
    names = {
        whole.topics.state: short.topics.state,
        whole.topics.transaction: short.topics.transaction,
    }
    short.records = [one for one in short.records if one[0] == short.topics.journal]
    short.records += [(names[topic], key, value) for topic, key, value in public]
    assert (await audited(short, kafka)).differences == ()


async def test_a_missing_topic_is_an_error_not_a_clean_bill(kafka: str) -> None:
    with pytest.raises(TopicMissing, match="no-journal"):
        await audit(
            KafkaAccess(kafka), topics=AuditTopics("no-journal", "no-state", "no-transaction")
        )
