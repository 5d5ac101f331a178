"""Signing in at True API and at SUZ through it."""

import base64

import pytest

from app.integrations import true_api
from app.integrations.errors import (
    AnswerUnreadable,
    ChallengeGone,
    Forbidden,
    SignatureRefused,
    Upstream,
)
from app.integrations.requests import anonymous
from tests.clients.conftest import Claims, Connect
from tests.clients.remote import Remote, sample

NOBODY = anonymous("participant")
UUID = "7b0c1c1e-0000-4000-8000-00000000a001"
CONNECTION = "cccccccc-0000-4000-8000-00000000c001"
CMS = bytes(range(256)) * 4


async def test_a_challenge_is_read_without_a_token(remote: Remote, connect: Connect) -> None:
    remote.says(sample("true_api_challenge.json"))
    got = await true_api.auth_key(connect(Upstream.TRUE_API), NOBODY)
    seen = remote.seen[0]
    assert (seen.method, seen.path) == ("GET", "/api/v3/true-api/auth/key")
    assert "Authorization" not in seen.headers
    assert seen.headers["Accept"] == "*/*"
    assert (got.value.uuid, got.value.data) == (UUID, "QWERTYUIOPASDFGHJKLZXCVBNMQWER")


@pytest.mark.parametrize("data", ["A" * 129, "", "I owe you", "А" * 30, "pay\\n1"])
async def test_a_challenge_that_is_no_plain_text_is_not_shown_to_a_signer(
    remote: Remote, connect: Connect, data: str
) -> None:
    remote.says(f'{{"uuid":"{UUID}","data":"{data}"}}')
    with pytest.raises(AnswerUnreadable, match="data"):
        await true_api.auth_key(connect(Upstream.TRUE_API), NOBODY)


async def test_two_sign_ins_go_to_two_addresses(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    remote.says('{"token":"eyJ.eyJ.sig"}').says('{"token":"3f0e0d0c-0000"}')
    client = connect(Upstream.TRUE_API)
    first = await true_api.sign_in(client, NOBODY, uuid=UUID, signature=CMS, claim=claim)
    second = await true_api.sign_in_suz(
        client,
        NOBODY,
        oms_connection=CONNECTION,
        uuid=UUID,
        signature=CMS,
        claim=claim,
        inn="7700000016",
    )
    mine, station = remote.seen
    assert mine.path == "/api/v3/true-api/auth/simpleSignIn"
    assert mine.json() == {"uuid": UUID, "data": base64.b64encode(CMS).decode()}
    assert station.path == f"/api/v3/true-api/auth/simpleSignIn/{CONNECTION}"
    assert station.json()["inn"] == "7700000016"
    assert first.value.token.reveal() == "eyJ.eyJ.sig"
    assert second.value.token.reveal() == "3f0e0d0c-0000"
    assert "3f0e0d0c" not in repr(second.value)
    assert len(claim.digests) == 2


@pytest.mark.parametrize(
    ("body", "token", "expires_at_ms"),
    [
        ('{"clientToken":"abc"}', "abc", None),
        ('{"client_token":"abc"}', "abc", None),
        (
            '{"uuidToken":"abc","expireDate":"2025-10-01T18:15:00.000Z"}',
            "abc",
            1_759_342_500_000,
        ),
        ('{"token":"abc","expireDate":"tomorrow"}', "abc", None),
    ],
)
async def test_a_token_is_read_by_any_of_its_names(
    *,
    remote: Remote,
    connect: Connect,
    claim: Claims,
    body: str,
    token: str,
    expires_at_ms: int | None,
) -> None:
    remote.says(body)
    client = connect(Upstream.TRUE_API)
    got = await true_api.sign_in(client, NOBODY, uuid=UUID, signature=CMS, claim=claim)
    assert (got.value.token.reveal(), got.value.expires_at_ms) == (token, expires_at_ms)


@pytest.mark.parametrize("body", ["{}", '{"token":""}', '{"token":"a b"}', '{"token":"a\\nb"}'])
async def test_a_sign_in_without_a_usable_token_is_unknown(
    *, remote: Remote, connect: Connect, claim: Claims, body: str
) -> None:
    remote.says(body)
    client = connect(Upstream.TRUE_API)
    with pytest.raises(AnswerUnreadable):
        await true_api.sign_in(client, NOBODY, uuid=UUID, signature=CMS, claim=claim)


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (400, "UUID не найден в хранилище ключей. UUID = 7b0c", ChallengeGone),
        (400, "Ошибка при проверке подписи", SignatureRefused),
        (400, "Подпись не валидна", SignatureRefused),
        (403, "Подпись не валидна", Forbidden),
        (403, "Пользователь не найден", Forbidden),
    ],
)
async def test_a_refused_sign_in_says_why(
    *,
    remote: Remote,
    connect: Connect,
    claim: Claims,
    status: int,
    text: str,
    expected: type[Exception],
) -> None:
    remote.says(f'{{"error_message":"{text}"}}', status=status)
    client = connect(Upstream.TRUE_API)
    with pytest.raises(expected, match=text):
        await true_api.sign_in(client, NOBODY, uuid=UUID, signature=CMS, claim=claim)
