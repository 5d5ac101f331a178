"""The flow of ordering codes, function by function as the specification names them."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog

from app.contracts.topics import SUZ_ORDERS
from app.domain.marking.draft import DraftLine, OrderDraft, normalised, problems
from app.domain.marking.order import OrderStatus
from app.integrations.errors import UpstreamError
from app.integrations.suz_answers import Buffer
from app.marking import participants, store
from app.marking.cards import cards_for, require_orderable
from app.marking.database import NOW_MS, Transaction
from app.marking.desk import Desk
from app.marking.drafting import insert_parts, require_introducible, require_profile
from app.marking.due_polls import publish_due_polls
from app.marking.errors import (
    AccessError,
    DropoutError,
    MarkingError,
    OrderValidationError,
    UtilisationError,
    ValidationError,
)
from app.marking.leases import wake
from app.marking.metrics import CREATED
from app.marking.observing import Seen, apply, station_row
from app.marking.participants import MAY, Participant
from app.marking.queue import wake_message
from app.marking.runner import advance
from app.marking.sign_in import AuthService
from app.marking.signer import SignerBroken
from app.marking.store import OrderRow

log = structlog.get_logger("marking")
S = OrderStatus
NO_ROLE = "Нет прав на заказ кодов для этой организации."
DOCUMENT_STEPS = frozenset({S.INIT, S.CHECKED, S.DOC_SIGNING, S.DOC_SENDING, S.DOC_CHECKING})
ORDER_STEPS = frozenset({S.DOC_CHECKING, S.DOC_ACCEPTED, S.SUZ_SIGNING, S.SUZ_SENDING})
CLOSE_STEPS = frozenset({S.EMITTING, S.COLLECTING, S.READY_TO_CLOSE, S.CLOSING})
# Stores the answer of an idempotency key in the order's transaction.
Record = Callable[[Transaction, list[OrderRow]], Awaitable[None]]


class SuzOrderStatus(msgspec.Struct, frozen=True):
    """What was seen of an order at the station; `at`: ms UTC when it was asked for."""

    order_id: str
    status: str | None
    buffers: tuple[Buffer, ...]
    at: int


class OrderFlow:
    """Starts orders and drives them; everything but the start is idempotent."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def start_order_flow(
        self,
        user_id: str,
        gtin: str,
        *,
        draft: OrderDraft | None = None,
        origin: str = "api",
        record: Record | None = None,
    ) -> OrderRow:
        """The first (mostly the only) order in `INIT`.

        Raises AccessError, NotFoundError, ValidationError, OrderValidationError,
        SignInRequired, UpstreamUnavailable; then no order row exists.
        """
        desk = self._desk
        wanted = normalised(_with_line(draft or OrderDraft(), gtin))
        participant = await self._participant(user_id, wanted.participant_id)
        profile = wanted.profile or desk.terms.marking_flow_profile
        require_profile(profile, desk.terms)
        self._require_sound(wanted)
        require_introducible(wanted, profile)
        cards = await cards_for(desk, participant, [line.gtin for line in wanted.lines])
        for line in wanted.lines:
            require_orderable(cards[line.gtin], wanted.attributes.release_method_type)
        async with desk.database.transaction() as tx:
            made = await insert_parts(
                tx,
                wanted,
                participant_id=participant.id,
                profile=profile,
                cards=cards,
                origin=origin,
                created_by=user_id,
            )
            rows = [await store.load(tx, order_id) for order_id in made]
            if record is not None:
                await record(tx, rows)
        desk.crash.passed("order", "committed")
        CREATED.labels(profile, origin).inc(len(rows))
        await self._prepare_tokens(participant, user_id)
        await self._wake(rows)
        return rows[0]

    def _require_sound(self, draft: OrderDraft) -> None:
        as_specified = self._desk.terms.marking_suz_reports == "as_specified"
        wrong = problems(draft, reports_allowed=as_specified)
        if wrong:
            text = f"{wrong[0].pointer}: {wrong[0].text}"
            raise OrderValidationError(text, errors=wrong)

    async def _participant(self, user_id: str, participant_id: str | None) -> Participant:
        database = self._desk.database
        if participant_id is None:
            own = await participants.of_user(database, user_id)
            if not own:
                raise AccessError(NO_ROLE)
            if len(own) > 1:
                raise ValidationError(
                    "participant_id: пользователь работает за несколько организаций"
                )
            participant_id = own[0]
        role = await participants.role_of(database, user_id, participant_id)
        found = await participants.load(database, participant_id, sealer=self._desk.sealer)
        if role not in MAY["operate"] or found is None or not found.active:
            raise AccessError(NO_ROLE)
        return found

    async def _prepare_tokens(self, participant: Participant, user_id: str) -> None:
        """Missing tokens do not stop an order: it will wait with the hold `sign_in`."""
        try:
            await AuthService(self._desk).issue_tokens(participant.id, user_id)
        except (UpstreamError, MarkingError, SignerBroken) as error:
            cause = type(error).__name__
            log.info("tokens were not issued yet", participant=participant.id, cause=cause)

    async def _wake(self, rows: list[OrderRow]) -> None:
        """The sweeper finds the orders anyway; a message saves its pause."""
        now = int((await self._desk.database.rows(f"select {NOW_MS} as now"))[0]["now"])
        for row in rows:
            message = wake_message(
                row.id, row.participant_id, now, task="check_goods", reason="operator"
            )
            await self._desk.publish(SUZ_ORDERS, message)

    async def submit_true_api_document(self, order_id: str) -> None:
        """Take the order through its document as far as it goes now. Raises ValidationError."""
        row = await self._advance_in(order_id, DOCUMENT_STEPS)
        if row.status is S.DOC_REJECTED:
            raise ValidationError("Документ отклонён.", order_id=order_id)

    async def create_suz_order_task(self, order_id: str) -> None:
        """Put `create_order` on the queue; the runner orders once the document is accepted."""
        row = await store.load(self._desk.database, order_id)
        if row.status not in ORDER_STEPS:
            return
        now = int((await self._desk.database.rows(f"select {NOW_MS} as now"))[0]["now"])
        message = wake_message(row.id, row.participant_id, now, task="create_order", reason="step")
        await self._desk.publish(SUZ_ORDERS, message)

    async def poll_statuses_task(self) -> int:
        """Publish due polls; how many."""
        return await publish_due_polls(self._desk)

    async def close_order_if_ready(self, order_status: SuzOrderStatus) -> None:
        """Write what was seen, then collect and close as far as the order is ready."""
        seen = Seen(order_status.at, order_status.buffers, status=order_status.status)
        async with self._desk.database.transaction() as tx:
            row = await store.load(tx, order_status.order_id)
            if row.status not in CLOSE_STEPS:
                return
            station = await station_row(tx, row.id)
            await apply(tx, station["id"], seen)
            await wake(tx, row.id)
        await self._advance_in(order_status.order_id, CLOSE_STEPS)

    async def postprocess_order(self, order_id: str) -> None:
        """Reports and documents after closing. Raises DropoutError, UtilisationError."""
        row = await self._advance_in(order_id, frozenset({S.CLOSED, S.POSTPROCESSING}))
        code = (row.hold_detail or {}).get("code")
        text = str((row.hold_detail or {}).get("text", ""))
        if code == "dropout-refused":
            raise DropoutError(text, order_id=order_id)
        if code == "utilisation-refused":
            raise UtilisationError(text, order_id=order_id)

    async def _advance_in(self, order_id: str, statuses: frozenset[OrderStatus]) -> OrderRow:
        row = await store.load(self._desk.database, order_id)
        if row.status in statuses:
            await advance(self._desk, order_id)
        return await store.load(self._desk.database, order_id)


def _with_line(draft: OrderDraft, gtin: str) -> OrderDraft:
    """The line of the named GTIN is there even if the draft leaves it out."""
    if not gtin or any(line.gtin == gtin for line in draft.lines):
        return draft
    return msgspec.structs.replace(draft, lines=(DraftLine(gtin), *draft.lines))
