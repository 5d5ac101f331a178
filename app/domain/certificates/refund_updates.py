"""What Payments says of a refund: late, twice, contradictory (certificates.md §6.3)."""

from collections.abc import Callable

import msgspec

from app.domain.certificates.commands import RefundUpdate
from app.domain.certificates.events import DeadCode, DeadLettered
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.refund import find_request, waited
from app.domain.certificates.refund_moves import (
    ATTEMPTS_KEPT,
    close,
    close_paid,
    conflict,
    give_back,
    keep,
    notify,
    pay,
    take_back,
    take_late,
    with_settlement,
)
from app.domain.certificates.state import RefundRequest, RefundStatus, Settlement
from app.domain.certificates.step import DONE, Outcome, Refusal, Step

_replace = msgspec.structs.replace
_pack = msgspec.msgpack.Encoder().encode


def refund_update(step: Step, command: RefundUpdate) -> Outcome:
    request = find_request(step.state, step.key, command.refund_request_id)
    if request is None:
        return _dead_letter(step, command, code="RefundUnknown", reason="no such request is kept")
    command = _completed(command, request)
    if command.kind == "RefundSettled":
        return _settled(step, command, request)
    if _position(command) <= (request.attempt, request.version):
        return DONE
    seen = _seen(request, command)
    if request is step.state.refund:
        _OPEN[command.kind](step, command, seen)
    elif command.kind == "RefundFailed":
        _failed_closed(step, command, seen)
    return DONE


def _completed(command: RefundUpdate, request: RefundRequest) -> RefundUpdate:
    """A message without attempt speaks of the present one; its moment serves as version."""
    return _replace(
        command,
        attempt=request.attempt if command.attempt is None else command.attempt,
        version=command.occurred_at if command.version is None else command.version,
        amount=request.amount if command.amount is None else command.amount,
    )


def _position(command: RefundUpdate) -> tuple[int, int]:
    assert command.attempt is not None
    assert command.version is not None
    return command.attempt, command.version


def _seen(request: RefundRequest, command: RefundUpdate) -> RefundRequest:
    attempt, version = max(_position(command), (request.attempt, request.version))
    return _replace(
        request,
        attempt=attempt,
        version=version,
        reason=command.reason or request.reason,
        provider_reference=command.provider_reference or request.provider_reference,
    )


def _dead_letter(step: Step, command: RefundUpdate, *, code: DeadCode, reason: str) -> Refusal:
    step.events.append(
        DeadLettered(step.t, code, reason, "RefundUpdate", _pack(command), command.origin)
    )
    return Refusal(code)


def _initiated(step: Step, _command: RefundUpdate, request: RefundRequest) -> None:
    request = waited(request, step.t)
    if request.status is not RefundStatus.INITIATED:
        _tell(step, request, "RefundInitiated")
    keep(
        step,
        _replace(
            request,
            status=RefundStatus.INITIATED,
            initiated_at=request.initiated_at or step.t,
            ask_at=None,
        ),
    )


def _details_required(step: Step, _command: RefundUpdate, request: RefundRequest) -> None:
    if request.status is not RefundStatus.DETAILS_REQUIRED:
        _tell(step, request, "AlternateDetailsRequired")
        request = _replace(
            request, status=RefundStatus.DETAILS_REQUIRED, waiting_since=step.t, ask_at=None
        )
        request = notify(step, request)
    keep(step, request)


def _tell(step: Step, request: RefundRequest, event: str) -> None:
    step.move(event, request.amount, refund_request_id=refund_request_id(step.key, request.n))


def _failed_open(step: Step, command: RefundUpdate, request: RefundRequest) -> None:
    request = _with_failure(waited(request, step.t), command)
    give_back(step, request, event="RefundFailed", reason=command.reason)
    close(step, request, RefundStatus.FAILED)


_OPEN: dict[str, Callable[[Step, RefundUpdate, RefundRequest], None]] = {
    "RefundInitiated": _initiated,
    "AlternateDetailsRequired": _details_required,
    "RefundFailed": _failed_open,
}


def _failed_closed(step: Step, command: RefundUpdate, request: RefundRequest) -> None:
    """A paid attempt that fails has bounced; anything else moves nothing."""
    request = _with_failure(request, command)
    paid = next((one for one in _paid(request) if one.attempt == command.attempt), None)
    if paid is not None:
        take_back(step, request, paid, reason=command.reason)
        bounced = _replace(paid, taken=0, short=0, bounced=True)
        request = with_settlement(request, bounced)
        if not _paid(request):
            request = _replace(request, status=RefundStatus.FAILED)
    keep(step, request)


def _with_failure(request: RefundRequest, command: RefundUpdate) -> RefundRequest:
    failures = (*request.failures, _position(command))[-ATTEMPTS_KEPT:]
    return _replace(request, failures=failures)


def _paid(request: RefundRequest) -> tuple[Settlement, ...]:
    return tuple(one for one in request.settlements if not one.bounced)


def _settled(step: Step, command: RefundUpdate, request: RefundRequest) -> Outcome:
    """Each attempt settles once, whenever its message comes; the order of versions is waived."""
    attempt, version = _position(command)
    if any(one.attempt == attempt for one in request.settlements):
        return DONE
    if any(at == attempt and version < failed for at, failed in request.failures):
        # The newer failure is known already: paid and bounced, nothing is left to move.
        keep(step, with_settlement(request, Settlement(attempt, 0, bounced=True)))
        return DONE
    assert command.amount is not None
    is_open = request is step.state.refund
    if is_open and command.amount != request.amount:
        told = f"{command.amount} paid, {request.amount} asked"
        return _dead_letter(step, command, code="RefundAmountMismatch", reason=told)
    seen = _seen(request, command)
    if is_open:
        seen = waited(seen, step.t)
        pay(step, seen, amount=command.amount, reason=command.reason)
        close_paid(step, seen, Settlement(attempt, command.amount))
    else:
        _settled_closed(step, seen, attempt=attempt, amount=command.amount)
    return DONE


def _settled_closed(step: Step, request: RefundRequest, *, attempt: int, amount: int) -> None:
    if _paid(request):
        # Paid twice: nothing of this certificate was meant for it.
        conflict(step, request, short=amount)
        settlement = Settlement(attempt, 0, amount)
    else:
        settlement = _replace(take_late(step, request, amount=amount), attempt=attempt)
    request = _replace(with_settlement(request, settlement), status=RefundStatus.SETTLED)
    keep(step, request)
