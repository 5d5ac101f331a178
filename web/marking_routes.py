"""Every route of the marking API, on one screen."""

from pydantic import BaseModel

from web import marking_answers as a
from web import marking_api as orders
from web import marking_models as m
from web import marking_people_api as people
from web import marking_records_api as records
from web.marking_routing import ACT, ASK, DELETE, GET, PUT, Handler, Owner, Route

PREFIX = "/api/v1/marking"
ORDER = "/orders/{order_id}"
ORPHAN = "/suz-orphans/{orphan_id}"
OF = "/participants/{participant_id}"
REQUEST = "/sign-requests/{sign_request_id}"


def _see(path: str, handler: Handler, answer: type[BaseModel], /, **more: type[m.Query]) -> Route:
    """Something of the caller's own organisations."""
    return Route(GET, path, handler, query=more.get("query"), answer=answer)


def _read(
    owner: Owner, path: str, handler: Handler, /, *, answer: type[BaseModel], **more: type[m.Query]
) -> Route:
    """Something that the path names."""
    query = more.get("query")
    return Route(GET, path, handler, may="read", owner=owner, query=query, answer=answer)


def _act(
    path: str, handler: Handler, body: type[BaseModel] = m.Nothing, /, **more: type[BaseModel]
) -> Route:
    """What an operator does to the order of the path."""
    answer = more.get("answer", a.Order)
    status = {a.CreatedOrder: 201, a.Issue: 202}.get(answer, 200)
    return Route(
        ACT,
        f"{ORDER}/{path}",
        handler,
        may="operate",
        owner="order",
        body=body,
        status=status,
        answer=answer,
    )


def _set(path: str, handler: Handler, body: type[BaseModel], /) -> Route:
    """What an administrator sets of the organisation of the path."""
    return Route(
        PUT, path, handler, may="administer", owner="participant", body=body, answer=a.Done
    )


ROUTES = (
    Route(ACT, "/orders", orders.create_order, body=m.NewOrder, status=201, answer=a.CreatedOrder),
    _see("/orders", orders.list_orders, a.OrdersPage, query=m.OrdersQuery),
    _read("order", ORDER, orders.read_order, answer=a.Order),
    _read("batch", "/batches/{batch_id}", orders.read_batch, answer=a.OrdersPage),
    _act("cancel", orders.cancel_order),
    _act("retry", orders.retry_order),
    _act("correct", orders.correct, m.Correction),
    _act("reorder-rejected", orders.reorder_rejected, answer=a.CreatedOrder),
    _act("close", orders.close_order, m.Close),
    _act("give-up", orders.give_up_order, m.GiveUp),
    _act("introduce", orders.introduce, m.Introduction),
    _act("finish", orders.finish_order),
    _act("withdraw", orders.withdraw, m.Withdrawal),
    _act("write-off", orders.write_off, m.Dropout),
    _act("reports/{report_id}", orders.settle_report, m.ReportVerdict),
    _act("issues", records.make_issue, m.NewIssue, answer=a.Issue),
    Route(
        PUT,
        f"{ORDER}/postprocess",
        orders.set_postprocess,
        may="operate",
        owner="order",
        body=m.Postprocess,
        answer=a.Order,
    ),
    _read(
        "order",
        f"{ORDER}/timeline",
        records.read_timeline,
        answer=a.Timeline,
        query=m.TimelineQuery,
    ),
    _read("order", f"{ORDER}/codes", records.list_codes, answer=a.Page, query=m.CodesQuery),
    _read("issue", "/issues/{issue_id}", records.read_issue, answer=a.Issue),
    _read("issue", "/issues/{issue_id}/file", records.read_issue_file, answer=a.File),
    _see("/documents", records.list_documents, a.Page, query=m.DocumentsQuery),
    _read("document", "/documents/{document_id}", records.read_document, answer=a.Document),
    _see("/suz-orphans", records.list_orphans, a.Page, query=m.OfParticipant),
    Route(
        ACT,
        f"{ORPHAN}/adopt",
        records.adopt_orphan,
        may="operate",
        owner="orphan",
        body=m.Nothing,
        answer=a.Identifier,
    ),
    Route(
        ACT,
        f"{ORPHAN}/dismiss",
        records.dismiss_orphan,
        may="operate",
        owner="orphan",
        body=m.Nothing,
        answer=a.Done,
    ),
    _see("/products", records.list_products, a.Page, query=m.ProductsQuery),
    _see("/products/{gtin}", records.read_product, a.Product, query=m.OfParticipant),
    Route(ASK, "/mark-check", records.mark_check, body=m.MarkCheck, answer=a.Checked),
    _see("/events", records.list_events, a.Page, query=m.EventsQuery),
    _see("/stream", records.watch_orders, a.Stream),
    _see("/notifications", records.list_notifications, a.Page, query=m.NotificationsQuery),
    Route(ACT, "/notifications/read", records.read_notifications, body=m.ReadUpTo, answer=a.Done),
    _see("/sign-requests", people.list_sign_requests, a.SignRequests, query=m.OfParticipant),
    Route(
        ACT,
        f"{REQUEST}/signature",
        people.answer_sign_request,
        may="sign",
        owner="sign_request",
        body=m.SignatureOf,
        answer=a.SignRequest,
    ),
    Route(
        ACT,
        f"{OF}/sign-in",
        people.sign_in,
        may="sign",
        owner="participant",
        body=m.Nothing,
        answer=a.SignIn,
    ),
    _read("participant", f"{OF}/status", records.read_status, answer=a.Status),
    _see("/participants", people.list_participants, a.Page),
    Route(
        ACT,
        "/participants",
        people.add_participant,
        may="admin",
        body=m.NewParticipant,
        status=201,
        answer=a.Identifier,
    ),
    _set(f"{OF}/state", people.set_participant_state, m.UserState),
    _set(f"{OF}/signer", people.set_signer, m.SignerChoice),
    _set(f"{OF}/members/{{login}}", people.set_member, m.MemberRole),
    _set(f"{OF}/signers/{{inn}}", people.register_signer, m.SignerUnderPoa),
    _read("participant", f"{OF}/members", people.list_members, answer=a.Page),
    Route(ASK, "/session", people.log_in, may="open", body=m.LogIn, answer=a.Session),
    _see("/session", people.read_session, a.Session),
    Route(DELETE, "/session", people.log_out, answer=a.Done),
    # Without a stored answer: passwords and keys stay out of the database.
    Route(
        ASK, "/users", people.add_user, may="admin", body=m.NewUser, status=201, answer=a.Identifier
    ),
    Route(
        PUT,
        "/users/{login}/state",
        people.set_user_state,
        may="admin",
        body=m.UserState,
        answer=a.Done,
    ),
    Route(ASK, "/api-keys", people.add_key, may="admin", body=m.NewKey, status=201, answer=a.Key),
    Route(GET, "/api-keys", people.list_keys, may="admin", query=m.KeysQuery, answer=a.Page),
    Route(DELETE, "/api-keys/{key_id}", people.revoke_key, may="admin", answer=a.Done),
)
