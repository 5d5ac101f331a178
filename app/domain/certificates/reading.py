"""Reads of a certificate: answered by its owner, they change nothing."""

from typing import Any

from app.domain.certificates.commands import ReadCertificate, ReadHold, ReadRefund
from app.domain.certificates.kept_holds import find_hold
from app.domain.certificates.problems import problem
from app.domain.certificates.refund import find_request
from app.domain.certificates.state import Certificate, Lifecycle
from app.domain.certificates.views import (
    certificate_view,
    hold_view,
    is_visible,
    lookup_view,
    refund_view,
    sealed_view,
)
from app.domain.decision import Context, Reply

Read = ReadCertificate | ReadHold | ReadRefund


def read(state: Certificate, command: Read, context: Context) -> Reply:
    if isinstance(command, ReadCertificate):
        found = _certificate(state, command, context)
        code = "CertificateUnknown"
    elif isinstance(command, ReadHold):
        found, code = _hold(state, command, context.key), "AuthorizationUnknown"
    else:
        found, code = _refund(state, command, context), "RefundUnknown"
    if found is None:
        return Reply(problem(code).status, code, command.instance, {})
    return Reply(200, None, command.instance, found)


def _certificate(
    state: Certificate, command: ReadCertificate, context: Context
) -> dict[str, Any] | None:
    if state.lifecycle is Lifecycle.ABSENT:
        return None
    if command.client is None:
        return certificate_view(context.key, state, context.policy)
    return lookup_view(context.key, state, command.client, stores=command.stores)


def _hold(state: Certificate, command: ReadHold, key: str) -> dict[str, Any] | None:
    hold = find_hold(state, command.hold)
    if hold is None or not is_visible(hold, command.client, command.stores):
        return None
    return hold_view(key, state, hold)


def _refund(state: Certificate, command: ReadRefund, context: Context) -> dict[str, Any] | None:
    request = find_request(state, context.key, command.refund_request_id)
    if request is None:
        return None
    view = refund_view(context.key, state, request, policy=context.policy)
    if command.with_details:
        view["sealedDetails"] = sealed_view(request.details)
    return view
