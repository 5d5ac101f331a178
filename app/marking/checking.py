"""Asks the catalogue whether the goods are marked; then all bytes are frozen at once."""

from typing import Any

import msgspec

from app.domain.marking.dictionaries import MARK_CHECK_CODES, MARK_CHECK_TEXTS, MarkCheck
from app.domain.marking.order import Hold, OrderStatus, Profile
from app.integrations import nk
from app.integrations.errors import Upstream
from app.integrations.nk import MarkCheck as CheckAnswer
from app.marking import audit, reference_data, store
from app.marking.attempts import access_to
from app.marking.audit import Entry
from app.marking.database import Transaction
from app.marking.desk import AGAIN, Desk, Next, Work
from app.marking.failures import pause
from app.marking.freezing import freeze_preorder, freeze_station_order
from app.marking.metrics import CHECKS
from app.marking.order_lines import lines_of
from app.marking.store import Change


class Checked(msgspec.Struct, frozen=True):
    """A GTIN or customs code and what the catalogue says of it."""

    value: str
    verdict: MarkCheck
    tnved: str | None = None


async def check_goods(desk: Desk, work: Work) -> Next:
    async with desk.database.transaction() as tx:
        lines = await lines_of(tx, work.row.id)
    gtins = [line.line.gtin for line in lines]
    tnveds = sorted({line.tnved for line in lines if line.tnved})
    checked = await mark_check(desk, work, gtins=gtins, tnveds=tnveds)
    desk.crash.passed("check_goods", "answered")
    await reference_data.refresh(desk, work.participant, gtins)
    bad = [one for one in checked if one.verdict is not MarkCheck.PASSED]
    CHECKS.labels("failed" if bad else "passed").inc()
    if bad:
        return await _failed(desk, work, bad)
    async with desk.database.transaction() as tx:
        await _keep_verdicts(tx, work, checked)
        moved = await store.move(tx, work.lease, Change(OrderStatus.CHECKED), row=work.row)
        if moved is None:
            return AGAIN
        if work.row.profile is Profile.DOCUMENT_FIRST:
            await freeze_preorder(tx, desk, row=work.row, inn=work.participant.inn)
        await freeze_station_order(tx, desk, row=work.row)
        entry = Entry("order.checked", "worker", work.row.participant_id, work.row.id)
        await audit.write(tx, msgspec.structs.replace(entry, details={"checked": len(checked)}))
    desk.crash.passed("check_goods", "committed")
    return AGAIN


async def mark_check(
    desk: Desk, work: Work, *, gtins: list[str], tnveds: list[str]
) -> list[Checked]:
    """Verdicts in chunks the catalogue accepts, GTIN and customs codes together."""
    access = await access_to(desk, work, Upstream.NK)
    asked = [("gtin", gtin) for gtin in gtins] + [("tnved", tnved) for tnved in tnveds]
    size = desk.terms.max_mark_check_batch
    found: list[Checked] = []
    for start in range(0, len(asked), size):
        chunk = asked[start : start + size]
        answer = await nk.mark_check(
            desk.clients.nk,
            access,
            gtins=[value for kind, value in chunk if kind == "gtin"],
            tnveds=[value for kind, value in chunk if kind == "tnved"],
        )
        found += verdicts(chunk, answer.value)
    return found


def verdicts(chunk: list[tuple[str, str]], answer: CheckAnswer) -> list[Checked]:
    """One verdict for everything asked; what the answer leaves out is unclear."""
    by_gtin = {one.gtin.rjust(14, "0"): one for one in answer.gtins}
    by_tnved = {one.tnved: one for one in answer.tnveds}
    found = []
    for kind, value in chunk:
        given: Any = by_gtin.get(value) if kind == "gtin" else by_tnved.get(value)
        code = -1 if given is None else given.is_marked_code
        verdict = MARK_CHECK_CODES.get(code, MarkCheck.UNCLEAR)
        tnved = given.tnved if kind == "gtin" and given is not None else None
        found.append(Checked(value, verdict, tnved))
    return found


async def _failed(desk: Desk, work: Work, bad: list[Checked]) -> Next:
    errors = [{"value": one.value, "text": MARK_CHECK_TEXTS[one.verdict]} for one in bad]
    async with desk.database.transaction() as tx:
        entry = Entry("order.check_failed", "worker", work.row.participant_id, work.row.id)
        await audit.write(tx, msgspec.structs.replace(entry, details={"errors": errors}))
    shown: dict[str, Any] = {"errors": errors}
    return await pause(desk, work, Hold.ATTENTION, code="check-failed", **shown)


async def _keep_verdicts(tx: Transaction, work: Work, checked: list[Checked]) -> None:
    """A customs code the catalogue knows fills a line that has none."""
    for one in checked:
        await tx.execute(
            """update marking.nk_cards set mark_check_code = 1,
                   tnved = coalesce(tnved, %(tnved)s)
               where participant_id = %(participant)s and gtin = %(gtin)s""",
            tnved=one.tnved,
            participant=work.row.participant_id,
            gtin=one.value,
        )
        if one.tnved is not None:
            await tx.execute(
                """update marking.order_lines set tnved = %(tnved)s
                   where order_id = %(id)s and gtin = %(gtin)s and tnved is null""",
                tnved=one.tnved,
                id=work.row.id,
                gtin=one.value,
            )
