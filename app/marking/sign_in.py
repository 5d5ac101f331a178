"""Signing in: challenges to sign, their answers, and who is allowed to sign in now."""

import msgspec

from app.integrations import true_api
from app.integrations.errors import UpstreamError
from app.integrations.requests import anonymous
from app.marking import participants, sign_requests, tokens
from app.marking.desk import Desk
from app.marking.errors import NotFoundError, OrderStateError, SignatureError
from app.marking.exchange import Exchange, exchange, see_date
from app.marking.ids import new_id
from app.marking.messages_ru import SIGN_IN_TEXTS, sign_in_text
from app.marking.participants import Participant
from app.marking.sign_requests import NewRequest, Signed
from app.marking.tokens import TokenKind, TokenStatus

PURPOSE = {TokenKind.TRUE_API: "auth_true_api", TokenKind.SUZ: "auth_suz"}
KIND = {purpose: kind for kind, purpose in PURPOSE.items()}


class AuthTokens(msgspec.Struct, frozen=True):
    """Both tokens; `challenges`: sign requests a person has to answer for the missing ones."""

    tokens: tuple[TokenStatus, ...]
    challenges: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return all(token.state == "LIVE" for token in self.tokens)


class AuthService:
    """Issues the two tokens of a participant: at once, or as challenges for a person."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def issue_tokens(
        self, participant_id: str, user_id: str | None = None, *, person: bool = False
    ) -> AuthTokens:
        """`person`: somebody signs in on purpose, also over tokens that still live.

        Raises the errors of the upstream.
        """
        desk = self._desk
        participant = await _participant(desk, participant_id)
        challenges = []
        for kind in TokenKind:
            row = await tokens.read(desk.database, participant_id, kind)
            if row.live and not person:
                continue
            if participant.signs_by_itself:
                replacing = None if person else row.seq
                await self.sign_in_by_itself(participant, kind, replacing=replacing)
            else:
                challenges.append(await self.challenge(participant, kind, user_id=user_id))
        found = await tokens.statuses(desk.database, participant_id)
        return AuthTokens(tuple(found), tuple(challenges))

    async def challenge(
        self, participant: Participant, kind: TokenKind, *, user_id: str | None = None
    ) -> str:
        """The id of a sign request over a fresh challenge."""
        desk = self._desk
        access = anonymous(participant.id)
        answer = await true_api.auth_key(desk.clients.true_api, access)
        request = NewRequest(
            participant.id,
            PURPOSE[kind],
            answer.value.data.encode(),
            detached=False,
            subject_id=f"{participant.id}:{kind}",
            context={"uuid": answer.value.uuid, "asked_by": user_id},
            lives_ms=desk.terms.scaled_ms(desk.terms.sign_in_challenge_s),
        )
        async with desk.database.transaction() as tx:
            await see_date(tx, participant.id, answer.remote_date_ms)
            return await sign_requests.create(tx, request, sealer=desk.sealer)

    async def sign_in_by_itself(
        self, participant: Participant, kind: TokenKind, *, replacing: int | None
    ) -> bool:
        """An automatic signer renews alone the token of sequence `replacing`.

        None: whatever there is, because somebody signs in on purpose. False: another worker is
        at it or was faster, or renewal is stopped.
        """
        desk = self._desk
        mark = await self._begin(participant, kind, replacing=replacing)
        if mark is None:
            return False
        try:
            request_id = await self.challenge(participant, kind)
            request = await sign_requests.load(desk.database, request_id, sealer=desk.sealer)
            assert request.payload is not None
            cms = await desk.signers.of(participant).sign(
                request.payload, detached=False, purpose=request.purpose, inn=participant.inn
            )
            async with desk.database.transaction() as tx:
                await sign_requests.store_signature(tx, request_id, Signed(cms))
            signed = msgspec.structs.replace(request, signature=cms, state="SIGNED")
            await exchange(
                desk, Exchange(participant, kind, signed, mark=mark, person=replacing is None)
            )
        finally:
            await self._end(participant, kind, mark)
        return True

    async def complete(self, request_id: str, *, inn: str | None = None) -> None:
        """Turn a person's signed challenge into a token. Raises SignatureError and upstream's."""
        desk = self._desk
        request = await sign_requests.load(desk.database, request_id, sealer=desk.sealer)
        if request.purpose not in KIND or request.signature is None:
            raise OrderStateError(f"sign request {request_id} is not a signed challenge")
        if request.state != "SIGNED":
            return
        participant = await _participant(desk, request.participant_id)
        kind = KIND[request.purpose]
        mark = await self._begin(participant, kind, replacing=None)
        if mark is None:
            raise OrderStateError("another sign-in is under way")
        try:
            given = Exchange(participant, kind, request, mark=mark, person=True, inn=inn)
            await exchange(desk, given)
        finally:
            await self._end(participant, kind, mark)

    async def _begin(
        self, participant: Participant, kind: TokenKind, *, replacing: int | None
    ) -> str | None:
        """The mark of the one sign-in under way; None: somebody else has it or has done it."""
        mark = f"{self._desk.owner}:{new_id()}"
        async with self._desk.database.transaction() as tx:
            await tx.execute(
                """insert into marking.tokens (participant_id, kind)
                   values (%(participant)s, %(kind)s) on conflict do nothing""",
                participant=participant.id,
                kind=kind,
            )
            taken = await tx.execute(
                """update marking.tokens set renewing_by = %(mark)s, renewing_until =
                       clock_timestamp() + %(for_ms)s * interval '1 millisecond'
                   where participant_id = %(participant)s and kind = %(kind)s
                         and (renewing_until is null or renewing_until <= clock_timestamp())
                         and (%(replacing)s::bigint is null
                              or (seq = %(replacing)s and not renewal_stopped))""",
                mark=mark,
                for_ms=self._desk.terms.scaled_ms(self._desk.terms.renewing_s),
                participant=participant.id,
                kind=kind,
                replacing=replacing,
            )
        return mark if taken else None

    async def _end(self, participant: Participant, kind: TokenKind, mark: str) -> None:
        await self._desk.database.execute(
            """update marking.tokens set renewing_by = null, renewing_until = null
               where participant_id = %(participant)s and kind = %(kind)s
                     and renewing_by = %(mark)s""",
            participant=participant.id,
            kind=kind,
            mark=mark,
        )


def signature_error(error: UpstreamError) -> SignatureError:
    """The refusal of a sign-in in the operator's words."""
    return SignatureError(sign_in_text(error) or SIGN_IN_TEXTS["lost"])


async def _participant(desk: Desk, participant_id: str) -> Participant:
    found = await participants.load(desk.database, participant_id, sealer=desk.sealer)
    if found is None:
        raise NotFoundError(f"participant {participant_id} does not exist")
    return found
