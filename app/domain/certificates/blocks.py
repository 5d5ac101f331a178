"""Reasons for which a certificate must not be spent."""

import msgspec

from app.domain.certificates.commands import BlockCertificate, UnblockCertificate
from app.domain.certificates.replies import STATE_SHAPE
from app.domain.certificates.state import Block, Lifecycle
from app.domain.certificates.step import Answer, Outcome, Step
from app.domain.decision import sender_position

REFUND_CONFLICT = "refund-conflict"
SEVERAL = "several"
_SHOW_STATE = Answer(200, STATE_SHAPE)


def block(step: Step, command: BlockCertificate) -> Outcome:
    state = step.state
    if barred := step.barred():
        return barred
    if state.lifecycle is Lifecycle.CANCELLED:
        return _SHOW_STATE
    known = next((one for one in state.blocks if one.reason == command.reason), None)
    if known is not None and (known.freeze_holds or not command.freeze_holds):
        return _SHOW_STATE
    put_block(step, command.reason, by=_by(step), freeze_holds=command.freeze_holds)
    step.move("Blocked", reason=_told(command.reason, command.note))
    return _SHOW_STATE


def unblock(step: Step, command: UnblockCertificate) -> Outcome:
    state = step.state
    if barred := step.barred():
        return barred
    left = tuple(one for one in state.blocks if one.reason != command.reason)
    if state.lifecycle is Lifecycle.CANCELLED or len(left) == len(state.blocks):
        return _SHOW_STATE
    step.changes["blocks"] = left
    step.move("Unblocked", reason=_told(command.reason, command.note))
    return _SHOW_STATE


def put_block(step: Step, reason: str, *, by: str | None, freeze_holds: bool = False) -> None:
    """Add the reason; when there are too many, the last place stands for several.

    Only an operator lifts that one: a block may be merged but never be forgotten.
    """
    blocks: tuple[Block, ...] = step.changes.get("blocks", step.state.blocks)
    blocks = tuple(one for one in blocks if one.reason != reason)
    new = Block(reason, by, step.t, freeze_holds)
    if len(blocks) >= step.policy.blocks_max:
        merged = any(one.freeze_holds for one in blocks[-1:]) or freeze_holds
        new = msgspec.structs.replace(new, reason=SEVERAL, by=None, freeze_holds=merged)
        blocks = blocks[:-1]
    step.changes["blocks"] = (*blocks, new)


def _by(step: Step) -> str | None:
    if step.call is not None:
        return step.call.actor or step.call.client
    position = sender_position(step.context.id)
    return None if position is None else position[0]


def _told(reason: str, note: str | None) -> str:
    return reason if note is None else f"{reason}: {note}"
