"""An automatic signer signs frozen bytes as a step of the order."""

import contextlib

from app.domain.marking.order import Hold
from app.domain.marking.steps import Sign
from app.marking import sign_requests
from app.marking.desk import AGAIN, Desk, Next, Until, Work
from app.marking.errors import OrderStateError
from app.marking.failures import pause
from app.marking.sign_requests import PURPOSES, Signed
from app.marking.signer import SignatureAwaited, SignerBroken


async def sign(desk: Desk, work: Work, step: Sign) -> Next:
    """The payload of the pending request, signed exactly as it is stored."""
    purpose = PURPOSES[step.operation]
    request = await sign_requests.of_subject(
        desk.database, step.subject_id, purpose=purpose, sealer=desk.sealer
    )
    if request is None or request.payload is None:
        return await pause(desk, work, Hold.ATTENTION, code="signature-invalid")
    try:
        cms = await desk.signers.of(work.participant).sign(
            request.payload,
            detached=request.detached,
            purpose=purpose,
            inn=work.participant.inn,
        )
    except SignatureAwaited:
        return Until()
    except SignerBroken as broken:
        return await pause(desk, work, Hold.ATTENTION, code="signer-broken", detail=str(broken))
    # Cancelled, corrected or signed by a person meanwhile: looking again tells what is next.
    with contextlib.suppress(OrderStateError):
        async with desk.database.transaction() as tx:
            await sign_requests.store_signature(tx, request.id, Signed(cms))
    desk.crash.passed(step.operation, "signed")
    return AGAIN
