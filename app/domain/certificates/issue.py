"""How a certificate starts to exist, and how an unwanted one ends."""

from hashlib import blake2b

import msgspec

from app.domain.certificates.commands import CancelCertificate, ExtendValidity, IssueCertificate
from app.domain.certificates.events import BatchRow
from app.domain.certificates.replies import STATE_SHAPE
from app.domain.certificates.state import Certificate, Lifecycle
from app.domain.certificates.step import DONE, Answer, Outcome, Refusal, Step

_pack = msgspec.msgpack.Encoder().encode
_DIGEST_BYTES = 8
_SHOW_STATE = Answer(200, STATE_SHAPE)


def issue(step: Step, command: IssueCertificate) -> Outcome:
    state = step.state
    if state.lifecycle is not Lifecycle.ABSENT:
        return _issued_before(step, command)
    step.changes.update(
        lifecycle=Lifecycle.ISSUED,
        last4=command.last4,
        weak=command.weak,
        nominal=command.nominal,
        currency=command.currency,
        valid_until=command.valid_until,
        validity_days=command.validity_days,
        product_id=command.product_id,
        batch_id=command.batch_id,
        row=command.row,
        row_attempt=command.attempt,
        row_digest=_digest(command),
    )
    step.move("Issued", metadata=command.metadata)
    _report_row(step, command, "issued")
    return DONE


def _issued_before(step: Step, command: IssueCertificate) -> Outcome:
    state = step.state
    if (state.batch_id, state.row) != (command.batch_id, command.row):
        _report_row(step, command, "rejected", code="CodeAlreadyExists")
        return Refusal("CodeAlreadyExists")
    is_newer = command.attempt > state.row_attempt
    if is_newer:
        step.changes["row_attempt"] = command.attempt
    if state.row_digest != _digest(command):
        _report_row(step, command, "rejected", code="RowChanged")
        return Refusal("RowChanged")
    if is_newer:
        _report_row(step, command, "duplicate")
    return DONE


def _report_row(
    step: Step, command: IssueCertificate, outcome: str, *, code: str | None = None
) -> None:
    step.events.append(
        BatchRow(
            step.t,
            command.batch_id,
            command.chunk,
            command.row,
            command.attempt,
            step.key,
            command.last4,
            outcome,
            code,
        )
    )


def _digest(command: IssueCertificate) -> bytes:
    """Tells whether a resent row is the same; the metadata is compared but not kept."""
    fields = (
        command.nominal,
        command.currency,
        command.valid_until,
        command.validity_days,
        command.product_id,
        command.metadata,
    )
    return blake2b(_pack(fields), digest_size=_DIGEST_BYTES).digest()


def extend(step: Step, command: ExtendValidity) -> Outcome:
    if barred := step.barred():
        return barred
    if command.valid_until <= step.t:
        return Refusal("ValidityInvalid")
    step.changes["valid_until"] = command.valid_until
    step.move("Extended", reason=command.reason)
    if step.state.lifecycle is Lifecycle.EXPIRED:
        step.become(Lifecycle.ACTIVE)
    return _SHOW_STATE


def cancel(step: Step, command: CancelCertificate) -> Outcome:
    state = step.state
    if state.lifecycle is not Lifecycle.ABSENT and _is_of_another_row(command, state):
        return _SHOW_STATE
    if barred := step.barred():
        return barred
    if state.lifecycle is Lifecycle.CANCELLED:
        return _SHOW_STATE
    if command.batch_id is not None and state.lifecycle is not Lifecycle.ISSUED:
        # The cancel of a chunk keeps what was sold meanwhile.
        return Refusal("CertificateAllocated")
    if state.held:
        return holds_open(state)
    step.become(Lifecycle.CANCELLED)
    step.move("Cancelled", state.available, available=-state.available, reason=command.reason)
    step.add("written_off", state.available)
    return _SHOW_STATE


def _is_of_another_row(command: CancelCertificate, state: Certificate) -> bool:
    if command.batch_id is None:
        return False
    return (command.batch_id, command.row) != (state.batch_id, state.row)


def holds_open(state: Certificate) -> Refusal:
    last = max(hold.expires_at for hold in state.holds)
    return Refusal("HoldsOpen", ([hold.n for hold in state.holds], last))
