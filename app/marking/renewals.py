"""Tokens near their end: renewed by automatic signers, announced to people in time."""

import structlog

from app.integrations.errors import UpstreamError
from app.marking import audit, participants
from app.marking.database import Row
from app.marking.desk import Desk
from app.marking.sign_in import AuthService
from app.marking.signer import SignerBroken
from app.marking.tokens import TokenKind

log = structlog.get_logger("marking")
WARNINGS_MINUTES = (60, 30, 10)
MOST_AT_ONCE = 100


async def renew_tokens(desk: Desk) -> int:
    """How many tokens were renewed; a failure waits for the next round."""
    margin = max(WARNINGS_MINUTES)
    rows = await desk.database.rows(
        """select t.participant_id, t.kind, t.seq, t.warned_minutes, p.signer_kind,
                  extract(epoch from t.expires_at - clock_timestamp())::float8 as left_s
           from marking.tokens t join marking.participants p on p.id = t.participant_id
           where p.active and t.state = 'LIVE' and t.expires_at > clock_timestamp()
                 and t.expires_at <= clock_timestamp() + %(margin)s * interval '1 millisecond'
           order by t.expires_at limit %(most)s""",
        margin=desk.terms.scaled_ms(margin * 60),
        most=MOST_AT_ONCE,
    )
    renewed = 0
    for row in rows:
        left_minutes = row["left_s"] * desk.terms.marking_time_scale / 60
        if row["signer_kind"] == "browser":
            await _warn(desk, row, left_minutes)
        elif left_minutes <= desk.terms.token_renew_margin_minutes:
            renewed += await _renew(desk, row)
    return renewed


async def _renew(desk: Desk, row: Row) -> bool:
    participant = await participants.load(desk.database, row["participant_id"], sealer=desk.sealer)
    assert participant is not None, "tokens refer to their participant"
    try:
        kind, auth = TokenKind(row["kind"]), AuthService(desk)
        return await auth.sign_in_by_itself(participant, kind, replacing=row["seq"])
    except (UpstreamError, SignerBroken) as error:
        log.warning(
            "a token was not renewed",
            participant=row["participant_id"],
            kind=row["kind"],
            cause=type(error).__name__,
        )
        return False


async def _warn(desk: Desk, row: Row, left_minutes: float) -> None:
    """Once at 60, at 30 and at 10 minutes."""
    reached = min(mark for mark in WARNINGS_MINUTES if left_minutes <= mark)
    if row["warned_minutes"] is not None and row["warned_minutes"] <= reached:
        return
    async with desk.database.transaction() as tx:
        await tx.execute(
            """update marking.tokens set warned_minutes = %(mark)s
               where participant_id = %(participant)s and kind = %(kind)s""",
            mark=reached,
            participant=row["participant_id"],
            kind=row["kind"],
        )
        await audit.notify(
            tx,
            row["participant_id"],
            kind="token.expiring",
            text=f"Сеанс истечёт через {reached} мин. Войдите с сертификатом заранее.",
        )
