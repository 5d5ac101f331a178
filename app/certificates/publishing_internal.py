"""The outputs that records of both entities have: commands, notifications, dead letters."""

from collections.abc import Callable, Iterable

import msgspec

from app.certificates.emission import Emission, Output
from app.contracts import dead_letters
from app.contracts.messages import AuditPart, GiftCertificateBI, NotificationPart
from app.contracts.topics import BI, COMMANDS, NOTIFICATIONS, dead_letters_of
from app.contracts.wire import SCHEMA, CommandRecord, NotificationRecord, encode
from app.domain.certificates.events import Audit, DeadLettered, NotificationAsked
from app.domain.decision import FollowUp

SealDeadLetter = Callable[[bytes], tuple[str, bytes]]


def publish_follow_ups(emission: Emission, follow_ups: Iterable[FollowUp], now: int) -> None:
    """Ids number the follow-ups of the record from 0: receivers order them by it."""
    trace = _traceparent(emission)
    for n, sent in enumerate(follow_ups):
        name = f"{emission.entity}:{emission.sequence}:{n}"
        record = CommandRecord(SCHEMA, name, now, sent.kind, sent.key, sent.fields, trace)
        emission.outputs.append(
            Output(COMMANDS, sent.key.encode(), encode(record), emission.headers)
        )


def publish_notification(emission: Emission, asked: NotificationAsked) -> None:
    """To the sender with everything sealed, to the mart without it."""
    record = NotificationRecord(SCHEMA, emission.sequence, asked, _traceparent(emission))
    emission.outputs.append(Output(NOTIFICATIONS, emission.key, encode(record), emission.headers))
    part = NotificationPart(
        asked.id,
        asked.template,
        asked.certificate_id,
        asked.last4,
        "ASKED",
        order_id=asked.order_id,
        order_line_id=asked.order_line_id,
    )
    emission.event(BI, asked.at, GiftCertificateBI("Notification", notification=part))


def publish_dead_letter(emission: Emission, dead: DeadLettered, seal: SealDeadLetter) -> None:
    """The value is the refused command: the original stayed with intake, replay needs no more."""
    emission.n += 1
    emission.notes.append(dead.code)
    # Not the form of a follow-up's id: a replayed command must not look like a sender's next one.
    name = f"{emission.entity}:{emission.sequence}:{emission.n}:dead"
    command = CommandRecord(
        SCHEMA, name, dead.at, dead.kind, emission.entity, msgspec.Raw(dead.command)
    )
    kid, box = seal(encode(command))
    origin = dead.origin
    topic = COMMANDS if origin is None else origin.topic
    place = dead_letters.Place(
        topic,
        -1 if origin is None else origin.partition,
        -1 if origin is None else origin.offset,
    )
    cause = dead_letters.Cause("DECIDE", dead.code, dead.reason, dead.at, emission.entity)
    headers = dead_letters.headers(place, cause, sealed=kid, kept=dead_letters.COMMAND_FORMAT)
    partition = None if origin is None else origin.partition
    emission.outputs.append(
        Output(dead_letters_of(topic), emission.key, box, headers + emission.headers, partition)
    )


def audit_part(audit: Audit, reason: str | None = None) -> AuditPart:
    return AuditPart(
        audit.client,
        audit.actor,
        audit.channel,
        audit.store_id,
        audit.terminal_id,
        audit.command,
        audit.key_hash,
        audit.outcome,
        audit.code,
        reason,
    )


def _traceparent(emission: Emission) -> str | None:
    return emission.headers[0][1].decode() if emission.headers else None
