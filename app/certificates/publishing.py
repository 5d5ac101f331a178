"""From a journal record to everything it has to become on other topics, in order.

Pure: the same record always gives the same ids in the same order, so a repetition after a
crash is recognised by every reader. Only the seal of a dead letter differs each time.
"""

from collections.abc import Callable
from typing import get_args

import msgspec

from app.certificates.emission import Emission, Output
from app.certificates.publishing_certificates import (
    CERTIFICATE_ALERTS,
    CertificateRecord,
    publish_certificate,
)
from app.certificates.publishing_internal import SealDeadLetter, publish_follow_ups
from app.certificates.publishing_orders import publish_order
from app.contracts.wire import CERTIFICATE, ORDER, RESULTS, JournalRecord
from app.domain.certificates.events import CertificateEvent, DeadCode, OrderAlert, OrderEvent
from app.domain.certificates.order_state import Order
from app.domain.certificates.state import Certificate
from app.domain.policy import Policy

Note = Callable[[str, str], None]
ALERTS: tuple[str, ...] = (
    *get_args(OrderAlert),
    *get_args(DeadCode),
    *CERTIFICATE_ALERTS.values(),
)
_certificate = msgspec.msgpack.Decoder(Certificate)
_certificate_events = msgspec.msgpack.Decoder(list[CertificateEvent])
_order = msgspec.msgpack.Decoder(Order)
_order_events = msgspec.msgpack.Decoder(list[OrderEvent])


class UnknownEntity(ValueError):
    """A journal key of no known kind: written by a newer worker, publishing has to wait."""


class Publisher:
    """Turns records into outputs; holds what is the same for all of them.

    `note`: is told the name (of `ALERTS`, or a figure's) and the entity of what is noted.
    """

    def __init__(self, policy: Policy, seal: SealDeadLetter, note: Note | None = None) -> None:
        self._policy = policy
        self._seal = seal
        self._note = note

    def outputs(self, key: bytes, record: JournalRecord, at: int) -> list[Output]:
        """`at`: the journal record's own timestamp, for the follow-ups; not for meta records.

        A record without events and follow-ups (a state written again) gives nothing.
        Raises `UnknownEntity`, and `msgspec.DecodeError` for a damaged record.
        """
        kind, entity = key[:1], key[1:].decode()
        emission = Emission(entity, record.sequence, record.traceparent)
        if kind == CERTIFICATE:
            self._certificate(emission, record)
        elif kind == ORDER:
            self._order(emission, record)
        elif kind == RESULTS:
            return []
        else:
            raise UnknownEntity(f"journal key of kind {kind!r}")
        publish_follow_ups(emission, record.follow_ups, at)
        if self._note is not None:
            for name in emission.notes:
                self._note(name, entity)
        return emission.outputs

    def _certificate(self, emission: Emission, record: JournalRecord) -> None:
        events = _certificate_events.decode(record.events)
        if events:
            state = _certificate.decode(record.state)
            publish_certificate(
                emission, CertificateRecord(state, events, self._policy, self._seal)
            )

    def _order(self, emission: Emission, record: JournalRecord) -> None:
        events = _order_events.decode(record.events)
        if events:
            order = _order.decode(record.state)
            publish_order(emission, order, events, seal=self._seal)
