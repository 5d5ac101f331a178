"""Signers of every kind, and what is checked of a signature that a person sends."""

import base64
import hashlib
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.marking import cms
from app.marking.cms import NotSigned
from app.marking.participants import Participant
from app.marking.signer import SignatureAwaited, SignerBroken
from app.marking.signing import BrowserSigner, CommandSigner, HttpSigner, SignersByKind
from app.marking.streebog import streebog
from deploy.sandbox.authority import Authority, Owner, open_authority

PAYLOAD = b'{"orderId":"1"}'
INN, PERSON = "7700000016", "500100732259"
ASKED: dict[str, Any] = {"detached": True, "purpose": "suz_order", "inn": INN}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return open_authority(None)


def signed(authority: Authority, owner: Owner, *, detached: bool = True) -> bytes:
    certificate = authority.certificate(owner)
    return base64.b64decode(authority.sign(certificate, PAYLOAD, detached=detached))


@pytest.mark.parametrize("detached", [True, False])
def test_a_right_signature_tells_whose_and_what_it_is(authority: Authority, detached: bool) -> None:
    signature = cms.read(signed(authority, Owner("Пример", INN), detached=detached), PAYLOAD)
    assert signature.attached == (None if detached else PAYLOAD)
    assert signature.digest_ok is True
    assert signature.inns == {INN}
    assert signature.valid_at(datetime.now(UTC))


def test_a_signature_of_other_bytes_is_told_by_its_digest(authority: Authority) -> None:
    signature = cms.read(signed(authority, Owner("Пример", INN)), PAYLOAD + b" ")
    assert signature.digest_ok is False


SHA_256 = bytes.fromhex("0609608648016503040201 0500")
GOST_256 = bytes.fromhex("06082a85030701010202 040100")  # with parameters, as long as the other


def with_gost(cms_of_rsa: bytes) -> bytes:
    told = cms_of_rsa.replace(SHA_256, GOST_256)
    return told.replace(hashlib.sha256(PAYLOAD).digest(), streebog(PAYLOAD, size=32))


@pytest.mark.parametrize(
    ("payload", "digest_ok"), [(PAYLOAD, None), (PAYLOAD + b" ", False), (b" " * 16_385, None)]
)
def test_a_gost_signature_of_other_bytes_is_told_by_its_digest(
    authority: Authority, payload: bytes, *, digest_ok: bool | None
) -> None:
    gost = with_gost(signed(authority, Owner("Пример", INN)))
    assert cms.read(gost, payload).digest_ok is digest_ok


LONG = (
    "1b54d01a4af5b9d5cc3d86d68d285462b19abc2475222f35c085122be4ba1ffa"
    "00ad30f8767b3a82384c6574f024c311e2a481332b08ef7f41797891c1646f48"
)
SHORT = "9d151eefd8590b89daa6ba6cb74af9275dd051026bb149a452fd84e5e57b5500"


@pytest.mark.parametrize(("size", "digest"), [(64, LONG), (32, SHORT)])
def test_streebog_of_the_standard_s_example(size: int, digest: str) -> None:
    example = b"012345678901234567890123456789012345678901234567890123456789012"
    assert streebog(example, size=size).hex() == digest


def test_certificates_of_persons_and_old_ones_are_read(authority: Authority) -> None:
    owner = Owner("Иванов", None, PERSON, expired=True)
    signature = cms.read(signed(authority, owner), PAYLOAD)
    assert signature.inns == {PERSON}
    assert not signature.valid_at(datetime.now(UTC))


@pytest.mark.parametrize("junk", [b"", b"0", b"\x30\x03abc", PAYLOAD, b"\x30" * (2 << 20)])
def test_what_is_no_signature_is_refused_in_words(junk: bytes) -> None:
    with pytest.raises(NotSigned):
        cms.read(junk, PAYLOAD)


async def test_a_browser_waits_for_its_person() -> None:
    with pytest.raises(SignatureAwaited):
        await BrowserSigner().sign(PAYLOAD, **ASKED)


def command(script: str, *words: str) -> list[str]:
    return [sys.executable, "-c", script, *words]


ECHO = """
import base64, sys
words = " ".join(sys.argv[1:]).encode()
sys.stdout.buffer.write(base64.b64encode(b"0" + words + sys.stdin.buffer.read()))
"""


async def test_a_command_gets_the_bytes_and_its_words_without_a_shell() -> None:
    signer = CommandSigner(command(ECHO, "{inn}", "{mode}", "$(id)"))
    written = await signer.sign(PAYLOAD, **ASKED)
    assert written == b"0" + f"{INN} detached $(id)".encode() + PAYLOAD


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "not set"),
        (["/nowhere/signer"], "does not start"),
        (command("import sys; sys.exit(3)"), "ended with 3"),
        (command("print('no signature!')"), "neither DER nor base64"),
        (command("import time; time.sleep(60)"), "took over"),
    ],
)
async def test_a_broken_command_is_told_without_its_output(words: list[str], reason: str) -> None:
    signer = CommandSigner(words, longest_s=1)
    with pytest.raises(SignerBroken, match=reason):
        await signer.sign(PAYLOAD, **ASKED)


@pytest.fixture
async def answering() -> AsyncIterator[httpx.AsyncClient]:
    """A signing service that repeats the bytes, or fails as its path says."""

    def answer(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/right":
                given = httpx.Response(200, content=request.content).json()
                assert (given["detached"], given["inn"]) == (True, INN)
                der = b"0" + base64.b64decode(given["base64"])
                return httpx.Response(200, json={"signature": base64.b64encode(der).decode()})
            case "/empty":
                return httpx.Response(200, json={})
            case "/away":
                raise httpx.ConnectError("no route")
            case _:
                return httpx.Response(500, text="secret detail")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        yield client


async def test_a_signing_service_gets_base64_and_answers_a_signature(
    answering: httpx.AsyncClient,
) -> None:
    signer = HttpSigner(answering, "http://signer/right")
    assert await signer.sign(PAYLOAD, **ASKED) == b"0" + PAYLOAD


@pytest.mark.parametrize("path", ["empty", "away", "broken"])
async def test_a_broken_signing_service_is_told_without_its_words(
    answering: httpx.AsyncClient, path: str
) -> None:
    with pytest.raises(SignerBroken) as caught:
        await HttpSigner(answering, f"http://signer/{path}").sign(PAYLOAD, **ASKED)
    assert "secret" not in str(caught.value)


async def test_the_demo_key_signs_in_the_sandbox_only() -> None:
    signers = SignersByKind(sandbox=None)
    who = Participant("p", INN, "Пример", "lp", "o", "c", "demo", {}, active=True)
    with pytest.raises(SignerBroken, match="sandbox environment only"):
        await signers.of(who).sign(PAYLOAD, **ASKED)
    await signers.close()
