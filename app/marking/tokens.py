"""Two session tokens per participant: kept sealed, handed to calls, declared dead once."""

import base64
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from app.integrations.errors import Upstream
from app.integrations.redaction import Secret
from app.integrations.requests import Access, by_apikey, by_bearer, by_station
from app.marking import audit
from app.marking.audit import Entry
from app.marking.database import Database, Transaction, ms, raw
from app.marking.messages_ru import HOLD_TEXTS
from app.marking.metrics import REFUSED_EARLY
from app.marking.participants import Participant
from app.marking.sealing import Sealer, token_place
from app.marking.terms import Terms

FULL_LIFE_TENTHS = 9


class TokenKind(StrEnum):
    TRUE_API = "true_api"
    SUZ = "suz"


class TokenMissing(Exception):
    """No live token, the last one had `seq`.

    `busy`: a sign-in is under way; `stopped`: only a person's sign-in helps.
    """

    def __init__(self, kind: TokenKind, *, seq: int, busy: bool, stopped: bool) -> None:
        super().__init__(f"no live {kind} token")
        self.kind = kind
        self.seq = seq
        self.busy = busy
        self.stopped = stopped


class TokenRow(msgspec.Struct, frozen=True):
    """A token as stored; `left_ms` until its end by the database's clock."""

    seq: int
    state: str
    left_ms: int
    busy: bool
    renewal_stopped: bool
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    refused_early_at: datetime | None = None
    thumbprint: str | None = None
    token_enc: bytes | None = None

    @property
    def live(self) -> bool:
        return self.state == "LIVE" and self.left_ms > 0


_READ = """
select seq, state, renewal_stopped, issued_at, expires_at, refused_early_at, thumbprint, token_enc,
       coalesce(extract(epoch from expires_at - clock_timestamp()) * 1000, 0)::bigint as left_ms,
       renewing_until is not null and renewing_until > clock_timestamp() as busy
from marking.tokens where participant_id = %(participant)s and kind = %(kind)s
"""


async def read(source: Database | Transaction, participant_id: str, kind: TokenKind) -> TokenRow:
    row = await source.one(_READ, participant=participant_id, kind=kind)
    if row is None:
        return TokenRow(0, "NONE", 0, busy=False, renewal_stopped=False)
    sealed = row["token_enc"]
    return TokenRow(**{**row, "token_enc": None if sealed is None else raw(sealed)})


class Granted(msgspec.Struct, frozen=True):
    """Access to an upstream and the sequence of the token it carries."""

    access: Access
    kind: TokenKind | None
    seq: int


async def grant(
    source: Database | Transaction, participant: Participant, upstream: Upstream, *, sealer: Sealer
) -> Granted:
    """Access with a live token; raises TokenMissing."""
    if upstream is Upstream.NK and participant.nk_apikey is not None:
        return Granted(by_apikey(participant.id, participant.nk_apikey), None, 0)
    kind = TokenKind.SUZ if upstream is Upstream.SUZ else TokenKind.TRUE_API
    row = await read(source, participant.id, kind)
    if not row.live or row.token_enc is None:
        raise TokenMissing(kind, seq=row.seq, busy=row.busy, stopped=row.renewal_stopped)
    place = token_place(participant.id, kind)
    token = Secret(sealer.open(row.token_enc, place=place).decode())
    if kind is TokenKind.TRUE_API:
        return Granted(by_bearer(participant.id, token), kind, row.seq)
    return Granted(
        by_station(participant.id, participant.oms_id, client_token=token), kind, row.seq
    )


async def refused(
    tx: Transaction, participant: Participant, kind: TokenKind, *, used: int, terms: Terms
) -> bool:
    """The upstream refused the token of sequence `used`; False: it was already replaced."""
    row = await tx.one(_READ + " for update", participant=participant.id, kind=kind)
    if row is None or row["seq"] != used or row["state"] != "LIVE":
        return False
    early = await _is_early(tx, row)
    stop = early and await _must_stop(tx, row, terms)
    await tx.execute(
        """update marking.tokens set state = 'REFUSED',
               refused_early_at = case when %(early)s then clock_timestamp()
                                       else refused_early_at end,
               renewal_stopped = renewal_stopped or %(stop)s
           where participant_id = %(participant)s and kind = %(kind)s""",
        early=early,
        stop=stop,
        participant=participant.id,
        kind=kind,
    )
    if early:
        REFUSED_EARLY.labels(kind).inc()
    entry = Entry("token.refused", "worker", participant.id, subject=kind)
    details = {"seq": used, "early": early, "renewal_stopped": stop}
    await audit.write(tx, msgspec.structs.replace(entry, details=details))
    if stop:
        await audit.notify(tx, participant.id, kind="token.stolen", text=HOLD_TEXTS["two-programs"])
    return True


async def _is_early(tx: Transaction, row: dict[str, Any]) -> bool:
    """Refused before nine tenths of its stated life have passed."""
    issued, expires = row["issued_at"], row["expires_at"]
    if issued is None or expires is None:
        return False
    full_life = issued + (expires - issued) * FULL_LIFE_TENTHS / 10
    return bool(await tx.value("select clock_timestamp() < %(end)s", end=full_life))


async def _must_stop(tx: Transaction, row: dict[str, Any], terms: Terms) -> bool:
    """Refused again within the hour, or at once after its issue: another program signs in too."""
    stop = await tx.value(
        """select clock_timestamp() < %(issued)s + %(at_once)s * interval '1 millisecond'
                  or coalesce(clock_timestamp() < %(before)s::timestamptz
                              + %(apart)s * interval '1 millisecond', false)""",
        issued=row["issued_at"],
        at_once=terms.scaled_ms(terms.refused_at_once_s),
        before=row["refused_early_at"],
        apart=terms.scaled_ms(terms.early_refusals_apart_s),
    )
    return bool(stop)


def life_ms(
    token: Secret, *, stated_ms: int | None, received_ms: int, terms: Terms
) -> tuple[int, str]:
    """How long a token lives from its receipt, and where that is known from."""
    claims = _claims(token.reveal())
    issued, expires = claims.get("iat"), claims.get("exp")
    if isinstance(issued, int) and isinstance(expires, int) and expires > issued:
        return (expires - issued) * 1_000, "jwt"
    if stated_ms is not None and stated_ms > received_ms:
        return stated_ms - received_ms, "expireDate"
    return terms.scaled_ms(terms.client_token_ttl_hours * 3_600), "setting"


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(padded))
    except (ValueError, msgspec.DecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}


class TokenStatus(msgspec.Struct, frozen=True):
    """What pages may know of a token."""

    kind: TokenKind
    state: str
    left_ms: int
    renewal_stopped: bool
    issued_at_ms: int | None = None
    thumbprint: str | None = None


async def statuses(source: Database | Transaction, participant_id: str) -> list[TokenStatus]:
    found = []
    for kind in TokenKind:
        row = await read(source, participant_id, kind)
        state = "EXPIRED" if row.state == "LIVE" and row.left_ms <= 0 else row.state
        left = max(0, row.left_ms) if row.live else 0
        found.append(
            TokenStatus(kind, state, left, row.renewal_stopped, ms(row.issued_at), row.thumbprint)
        )
    return found
