"""What a dead letter holds, shown without what nobody may see: known members, masked rest."""

import re
from typing import Any

import msgspec

from app.certificates.dead_letters.letters import Letter
from app.contracts import wire
from app.contracts.topics import COMMANDS, NOTIFICATIONS
from app.domain.certificates.codes import is_certificate_id
from app.domain.certificates.commands import CERTIFICATE_COMMANDS, ORDER_COMMANDS, Sealed

HIDDEN = "•••"
TEXT_MOST = 2_000
LONG_CODE = 8
KEPT = {"code": 4, "phone": 2}
_HARMLESS = (
    "orderId orderLineId paymentId version saleVersion occurredAt orderStatus storeId channel"
    " delivery lang nominal price currency paymentStatus status amount isOrderSettled"
    " outstandingAmount refundRequestId attempt method batchId chunk row rowsTotal validUntil"
    " validityDays productId kind key now id template state schema n what last4 topic"
    " partition offset at message_id task order_id subject_id enqueued_at passes"
)
PLAIN = frozenset(_HARMLESS.split())
# What may stand in a wrong member: a code of ours, an address, a phone.
_SECRET = re.compile(r"^\s*GC[^_]|@|^\+|\d{10}", re.IGNORECASE)
_NAME = re.compile(r"[a-z][A-Za-z0-9_]{0,31}")
_WORD = re.compile(r"\w+")
_SNAKE = re.compile(r"_([a-z0-9])")
_COMMANDS = {**CERTIFICATE_COMMANDS, **ORDER_COMMANDS}


def shown(letter: Letter, opened: bytes) -> Any:
    """JSON for people; `opened`: the letter's value without its seal."""
    try:
        if letter.is_command or letter.source == COMMANDS:
            return _command(wire.decode_command(opened))
        if letter.source == NOTIFICATIONS:
            return masked(_plain(wire.decode_notification(opened).asked))
        return masked(msgspec.json.decode(opened))
    except (msgspec.DecodeError, wire.NewerSchema, UnicodeDecodeError, RecursionError):
        return {"undecodable": veiled(opened)}


def masked(value: Any, name: str = "") -> Any:
    """The same tree; a member that is not known to be harmless keeps no more than its end."""
    match value:
        case dict():
            return {_shown_name(str(key)): masked(one, str(key)) for key, one in value.items()}
        case list() | tuple():
            return [masked(one, name) for one in value]
        case None | bool():
            return value
        case _:
            return _leaf(value, name)


def _leaf(value: Any, name: str) -> Any:
    secret = isinstance(value, str) and _SECRET.search(value)
    if name in PLAIN and not secret:
        return value
    if isinstance(value, str):
        if name == "certificateId" and is_certificate_id(value):
            return value
        kept = KEPT.get(name, 0)
        if kept and len(value) >= LONG_CODE:
            return HIDDEN + value[-kept:]
    return HIDDEN


def veiled(content: bytes) -> str:
    """The shape of what nobody can decode: words that are no names of ours are dots."""
    text = content[:TEXT_MOST].decode(errors="replace")
    return _WORD.sub(lambda found: found[0] if found[0] in PLAIN else "•" * len(found[0]), text)


def _command(record: wire.CommandRecord) -> Any:
    kind = _COMMANDS.get(record.kind)
    members: Any = HIDDEN
    if kind is not None:
        members = masked(_plain(msgspec.msgpack.decode(record.fields, type=kind)))
    return {"kind": record.kind, "key": record.key, "id": record.id, "fields": members}


def _plain(value: Any) -> Any:
    """Structs become members in the wire's spelling; boxes and hashes only say what they are."""
    match value:
        case Sealed():
            return {"kind": "sealed"}
        case bytes():
            return None
        case msgspec.Struct():
            return {_camel(name): _plain(getattr(value, name)) for name in value.__struct_fields__}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return value


def _camel(name: str) -> str:
    return _SNAKE.sub(lambda found: found[1].upper(), name)


def _shown_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else HIDDEN
