"""Signatures in the header X-Signature and beside documents."""

from dataclasses import dataclass
from typing import Literal

from deploy.sandbox.answers import RefusedError, as_json, suz_field_refusal
from deploy.sandbox.call import Call
from deploy.sandbox.participant import Participant
from deploy.sandbox.signatures import NotSignedMessageError, expired, flaw, parse
from deploy.sandbox.world import World

HEADER = "X-Signature"


@dataclass(frozen=True)
class Verdict:
    state: Literal["absent", "wrong", "right"]
    problem: str | None = None


def detached_flaw(text: str, content: bytes, *, who: Participant, world: World) -> str | None:
    """Why a detached signature of the participant over `content` is refused."""
    try:
        message = parse(text)
    except NotSignedMessageError as error:
        return str(error)
    problem = flaw(message, content)
    if problem is None and expired(message, who.clock.now_ms()):
        problem = "certificate expired"
    if problem is None and not message.inns & ({who.inn} | who.persons):
        problem = "certificate of another participant"
    trusted = not who.switches.trusted_issuer_required or world.authority.issued(
        message.certificate
    )
    if problem is None and not trusted:
        problem = "issuer is not trusted"
    return problem and f"{problem} Subject: {message.subject}"


def of_request(call: Call) -> Verdict:
    """Judges X-Signature over the exact body; attached → 413, broken lines → 400."""
    text = call.headers.get(HEADER.lower())
    if text is None:
        return Verdict("absent")
    if text != "".join(text.split()):
        raise suz_field_refusal([(HEADER, "Подпись должна быть в одну строку")])
    if _attached(text):
        problem = {"error": "Request Entity Too Large", "errorCode": 413}
        body = {"success": False, "fieldErrors": [], "globalErrors": [problem]}
        raise RefusedError(as_json(body, 413))
    if call.who.switches.signature_check == "off":
        return Verdict("right")
    problem_text = detached_flaw(text, call.body, who=call.who, world=call.world)
    if problem_text is None:
        return Verdict("right")
    if call.who.switches.signature_check == "sync":
        raise suz_field_refusal([(HEADER, f"Signature validation failed: {problem_text}")])
    return Verdict("wrong", f"Signature validation failed: {problem_text}")


def _attached(text: str) -> bool:
    try:
        return parse(text).attached is not None
    except NotSignedMessageError:
        return False
