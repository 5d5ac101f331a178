"""Sealed boxes open only with their key, in their place, unchanged."""

import msgspec
import pytest

from app.certificates.notify.contacts import Contact, open_contact
from app.certificates.sealing import (
    CannotOpen,
    ContentMacs,
    DeadLetterSealer,
    Sealer,
    canonical,
    contact_place,
)
from app.domain.certificates.commands import Sealed

OLD, NEW = b"o" * 32, b"n" * 48


def test_a_box_opens_in_its_place_and_shows_nothing_outside() -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal_members({"phone": "+79990000001", "email": None}, "SO-1" + "1")
    assert b"7999" not in msgspec.msgpack.encode(sealed)
    contact = open_contact(sealer, sealed, contact_place("SO-1", "1"))
    assert contact == Contact(phone="+79990000001")
    assert "7999" not in repr(contact)


def test_what_an_older_key_sealed_still_opens() -> None:
    sealed = Sealer([OLD]).seal(b"secret", "place")
    assert Sealer([NEW, OLD]).open(sealed, "place") == b"secret"
    assert Sealer([NEW, OLD]).seal(b"x", "place").kid != sealed.kid


def changed(sealed: Sealed, **fields: object) -> Sealed:
    return msgspec.structs.replace(sealed, **fields)


def test_another_place_a_changed_box_or_a_destroyed_key_opens_nothing() -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"secret", "place")
    broken = changed(sealed, box=sealed.box[:-1] + bytes([sealed.box[-1] ^ 1]))
    for box, place in (
        (sealed, "other"),
        (broken, "place"),
        (changed(sealed, nonce=b""), "place"),
        (changed(sealed, box=b""), "place"),
    ):
        with pytest.raises(CannotOpen):
            sealer.open(box, place)
    with pytest.raises(CannotOpen, match="no key"):
        Sealer([NEW]).open(sealed, "place")


def test_each_seal_has_a_fresh_nonce() -> None:
    sealer = Sealer([OLD])
    assert len({sealer.seal(b"same", "place").nonce for _ in range(100)}) == 100


def test_dead_letters_come_back_whole() -> None:
    graves = DeadLetterSealer([OLD])
    kid, box = graves.seal(b'{"code":"GC"}')
    assert b"code" not in box
    assert graves.open(kid, box) == b'{"code":"GC"}'
    with pytest.raises(CannotOpen):
        graves.open(kid, b"")


def test_macs_compare_content_and_tell_nothing_without_the_pepper() -> None:
    macs = ContentMacs(b"p" * 32)
    one, other = canonical({"a": 1, "b": 2, "c": None}), canonical({"b": 2, "a": 1})
    assert macs.of_bytes(one) == macs.of_bytes(other)
    assert macs.of_bytes(one) != macs.of_bytes(b"")
    assert macs.of_bytes(one) != ContentMacs(b"q" * 32).of_bytes(one)
