"""Every Kafka topic the service reads or writes, and how many partitions it has."""

import msgspec

SALES = "All_SalesOrder"
PAYMENTS = "All_Payments"
BATCHES = "GiftCertificateBatch"
COMMANDS = "certificate-commands"
JOURNAL = "certificate-journal"
NOTIFICATIONS = "notification-requests"
STATE = "GiftCertificateState"
TRANSACTION = "GiftCertificateTransaction"
BI = "GiftCertificateBI"
ORDER_STATE = "GiftCertificateOrderState"
REFUND_REQUESTS = "GiftCertificateRefundRequests"
HANDLED = "dead-letters-handled"
INBOUND = (SALES, PAYMENTS, BATCHES)
SUZ_ORDERS = "suz_orders"
MARKING_STATUSES = "marking_statuses"
MARKING_EVENTS = "marking_events"
MARKING_NOTIFICATIONS = "marking_notifications"
MARKING_DEAD_LETTERS = "marking.DLQ"
PUBLISHED = (STATE, TRANSACTION, BI, ORDER_STATE, REFUND_REQUESTS)

DAY_MS = 86_400_000
BIG_MESSAGES = {"max.message.bytes": str(8 << 20)}


class Topic(msgspec.Struct, frozen=True):
    name: str
    partitions: int
    config: dict[str, str]


def dead_letters_of(topic: str) -> str:
    return f"{topic}.DLQ"


DEAD_LETTERS = tuple(dead_letters_of(topic) for topic in (*INBOUND, COMMANDS, NOTIFICATIONS))


def _kept(days: int, **more: str) -> dict[str, str]:
    """0 days: for ever."""
    keep = {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS or -1)}
    return keep | {name.replace("_", "."): value for name, value in more.items()}


def _compact() -> dict[str, str]:
    return {"cleanup.policy": "compact", **BIG_MESSAGES}


def manifest(
    ledger_partitions: int, inbound_partitions: int, *, transaction_days: int = 30
) -> tuple[Topic, ...]:
    """All topics of both halves; dead-letter topics follow their source's count.

    `transaction_days`: how long every change of a balance is kept in public, 0 = for ever.
    """
    journal = {
        **_compact(),
        "min.compaction.lag.ms": str(3 * DAY_MS),
        "message.timestamp.type": "LogAppendTime",
    }
    topics = [
        Topic(SALES, inbound_partitions, _kept(7)),
        Topic(PAYMENTS, inbound_partitions, _kept(7)),
        Topic(BATCHES, inbound_partitions, _kept(3)),
        Topic(COMMANDS, ledger_partitions, _kept(7) | BIG_MESSAGES),
        Topic(JOURNAL, ledger_partitions, journal),
        Topic(NOTIFICATIONS, ledger_partitions, _kept(7) | BIG_MESSAGES),
        Topic(STATE, ledger_partitions, _compact()),
        Topic(TRANSACTION, ledger_partitions, _kept(transaction_days) | BIG_MESSAGES),
        Topic(BI, ledger_partitions, _kept(30) | BIG_MESSAGES),
        Topic(ORDER_STATE, ledger_partitions, _compact()),
        Topic(REFUND_REQUESTS, ledger_partitions, _kept(30) | BIG_MESSAGES),
    ]
    dead = [
        Topic(name, topic.partitions, _kept(30) | BIG_MESSAGES)
        for topic in topics
        if (name := dead_letters_of(topic.name)) in DEAD_LETTERS
    ]
    # A mark outlives its letter, even one in a segment that is not full yet.
    handled = Topic(HANDLED, 1, _kept(60))
    return (*topics, *dead, handled, *_marking(ledger_partitions))


def _marking(partitions: int) -> tuple[Topic, ...]:
    """Wake-ups live shortly: what they wake is in the database."""
    return (
        Topic(SUZ_ORDERS, partitions, _kept(1)),
        Topic(MARKING_STATUSES, partitions, _kept(1)),
        Topic(MARKING_EVENTS, partitions, _kept(30)),
        Topic(MARKING_NOTIFICATIONS, partitions, _kept(7)),
        Topic(MARKING_DEAD_LETTERS, partitions, _kept(30)),
    )
