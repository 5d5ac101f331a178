"""How a certificate is tied to an order line, given back, and brought to life."""

from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    ReleaseCertificate,
)
from app.domain.certificates.state import Allocation, Certificate, Lifecycle
from app.domain.certificates.step import DONE, Answer, Outcome, Refusal, Step, first_of
from app.domain.certificates.times import end_of_day
from app.domain.policy import SECOND_MS

RESERVE_DEFAULT_S = 1_800
_Tied = AllocateCertificate | ReleaseCertificate | ActivateCertificate


def is_own(order: Allocation | None, command: _Tied) -> bool:
    return (
        order is not None
        and order.order_line_id == command.order_line_id
        and order.order_id == command.order_id
    )


def allocate(step: Step, command: AllocateCertificate) -> Outcome:
    state = step.state
    if barred := step.barred():
        return barred
    own = is_own(state.order, command)
    if own and state.lifecycle is not Lifecycle.ALLOCATED:
        return _tied(step, state.order)
    if not own and state.order is not None and not _may_take_over(state.order, command):
        return Refusal("CodeAlreadySold")
    is_repeated = own and step.call is None and not _is_newer(state.order, command)
    code = None if is_repeated else _allocation_refusal(step, command)
    if code is not None:
        return Refusal(code)
    return _confirm(step, command) if step.call is None else _reserve(step, command, own=own)


def _may_take_over(order: Allocation, command: AllocateCertificate) -> bool:
    return order.reserved_until is not None and order.order_id == command.order_id


def _is_newer(order: Allocation | None, command: AllocateCertificate) -> bool:
    return order is not None and command.attempt > order.attempt


def _allocation_refusal(step: Step, command: AllocateCertificate) -> str | None:
    state = step.state
    over = state.valid_until is not None and state.valid_until <= step.t
    return first_of(
        ("CertificateBlocked", bool(state.blocks)),
        ("CertificateExpired", over),
        ("CurrencyMismatch", command.currency != state.currency),
        ("NominalMismatch", command.nominal != state.nominal),
    )


def _confirm(step: Step, command: AllocateCertificate) -> Outcome:
    """The sale has come: the order's own allocation, which no time ends."""
    known = step.state.order
    attempt = command.attempt
    if known is not None and is_own(known, command):
        attempt = max(attempt, known.attempt)
    order = Allocation(command.order_id, command.order_line_id, attempt)
    if order == known:
        return DONE
    step.changes["order"] = order
    if known is None or known.reserved_until is not None:
        step.move("Allocated")
    step.become(Lifecycle.ALLOCATED)
    return DONE


def _reserve(step: Step, command: AllocateCertificate, *, own: bool) -> Outcome:
    """The till asks before the sale message; of no seconds: it only wants to know."""
    if own:
        return _tied(step, step.state.order)
    seconds = RESERVE_DEFAULT_S if command.reserve_s is None else command.reserve_s
    if seconds <= 0:
        return _tied(step, step.state.order)
    until = step.t + seconds * SECOND_MS
    order = Allocation(command.order_id, command.order_line_id, command.attempt, until)
    step.changes["order"] = order
    step.move("Allocated")
    step.become(Lifecycle.ALLOCATED)
    return Answer(200, "reserved", (Lifecycle.ALLOCATED.value, until))


def _tied(step: Step, order: Allocation | None) -> Answer:
    if step.call is None:
        return DONE
    until = None if order is None else order.reserved_until
    return Answer(200, "reserved", (step.state.status, until))


def release(step: Step, command: ReleaseCertificate) -> Outcome:
    state = step.state
    order = state.order
    if order is None or not is_own(order, command) or state.lifecycle is Lifecycle.CANCELLED:
        return _released(step, state.status)
    if state.lifecycle is not Lifecycle.ALLOCATED:
        return Refusal("AlreadyActivated")
    if step.call is None and command.attempt < order.attempt:
        return DONE
    if step.call is not None and order.reserved_until is None:
        return Refusal("CertificateAllocated")
    give_back(step)
    return _released(step, Lifecycle.ISSUED.value)


def give_back(step: Step) -> None:
    """Untie: nobody has spoken for the certificate any more."""
    step.move("Released")
    step.changes["order"] = None
    step.become(Lifecycle.ISSUED)


def _released(step: Step, status: str) -> Answer:
    return DONE if step.call is None else Answer(200, "released", (status,))


def activate(step: Step, command: ActivateCertificate) -> Outcome:
    state = step.state
    if barred := step.barred():
        return barred
    if not is_own(state.order, command):
        return Refusal("NotAllocated")
    if state.lifecycle is not Lifecycle.ALLOCATED:
        return DONE
    _confirm_reservation(step, state)
    if state.valid_until is None and state.validity_days is not None:
        step.changes["valid_until"] = end_of_day(
            step.policy.business_tz, step.t, state.validity_days
        )
    step.add("loaded", state.nominal)
    step.move("Activated", state.nominal, available=state.nominal)
    step.become(Lifecycle.ACTIVE)
    return DONE


def _confirm_reservation(step: Step, state: Certificate) -> None:
    order = state.order
    if order is not None and order.reserved_until is not None:
        step.changes["order"] = Allocation(order.order_id, order.order_line_id, order.attempt)
