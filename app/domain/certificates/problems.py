"""The refusal catalogue: code → HTTP status, title, whether to repeat, what a guest may see."""

import msgspec

NOT_USABLE = "CertificateNotUsable"


class Problem(msgspec.Struct, frozen=True):
    """`retryable`: the same request with the same key may succeed later.

    `masked`: the public surface shows 404 CertificateNotUsable instead; `members` are the
    JSON members that the refusal adds.
    """

    status: int
    title: str
    retryable: bool = False
    masked: bool = False
    members: tuple[str, ...] = ()


def _titled(status: int, **titles: str) -> dict[str, Problem]:
    return {code: Problem(status, title) for code, title in titles.items()}


def _retryable(status: int, **titles: str) -> dict[str, Problem]:
    return {code: Problem(status, title, retryable=True) for code, title in titles.items()}


def _masked(status: int, **titles: str) -> dict[str, Problem]:
    return {code: Problem(status, title, masked=True) for code, title in titles.items()}


_MONEY = ("available", "currency")

PROBLEMS: dict[str, Problem] = {
    **_titled(
        400,
        RequestInvalid="Request invalid",
        IdempotencyKeyMissing="Idempotency-Key missing",
    ),
    **_titled(401, Unauthenticated="Not authenticated"),
    **_titled(403, ScopeMissing="Scope missing"),
    **_masked(404, CertificateUnknown="Certificate unknown"),
    **_titled(
        404,
        CertificateNotUsable="Certificate not usable",
        AuthorizationUnknown="Authorization unknown",
        RefundUnknown="Refund request unknown",
        OrderUnknown="Order unknown",
        LineUnknown="Order line unknown",
        BatchUnknown="Batch unknown",
    ),
    **_retryable(409, RequestInFlight="Request in flight"),
    **_masked(
        409,
        CertificateNotActive="Certificate not active",
        CertificateBlocked="Certificate blocked",
        CertificateExpired="Certificate expired",
        CertificateRefunded="Certificate refunded",
        CertificateCancelled="Certificate cancelled",
    ),
    "InsufficientBalance": Problem(409, "Insufficient balance", members=_MONEY),
    "AuthorizationExpired": Problem(409, "Authorization expired", members=_MONEY),
    "RefundInProgress": Problem(409, "Refund in progress", members=("refundRequestId",)),
    "HoldsOpen": Problem(409, "Holds open", members=("holds", "lastExpiresAt")),
    "RefundableAmountChanged": Problem(409, "Refundable amount changed", members=_MONEY),
    **_titled(
        409,
        CodeAlreadySold="Code already sold",
        CodeAlreadyExists="Code already exists",
        CodesAlreadyShown="Codes already shown",
        CertificateAllocated="Certificate allocated",
        NotAllocated="Certificate not allocated",
        AlreadyActivated="Certificate already activated",
        AlreadyCaptured="Already captured",
        AlreadyVoided="Already voided",
        AuthorizationReversed="Authorization reversed",
        NotCaptured="Not captured",
        ReversedBeforeArrival="Reversed before arrival",
        ReversalTooLate="Reversal too late",
        NothingToRefund="Nothing to refund",
        RefundNotOpen="Refund request not open",
        RefundDetailsNotAsked="Refund details not asked for",
        RefundAlreadyStarted="Refund already started",
        NotificationGone="Notification gone",
        ContactNotAsked="Contact not asked for",
    ),
    **_titled(413, BodyTooLarge="Body too large", BatchTooLarge="Batch too large"),
    **_titled(415, MediaTypeUnknown="Media type unknown"),
    **_masked(422, CodeMalformed="Code malformed"),
    **_titled(
        422,
        IdempotencyKeyReused="Idempotency-Key reused",
        ReferenceReused="Reference reused",
        CurrencyMismatch="Currency mismatch",
        NominalMismatch="Nominal mismatch",
        CaptureExceedsAuthorization="Capture exceeds authorization",
        RestoreExceedsCapture="Restore exceeds capture",
        ValidityInvalid="Validity invalid",
        MethodNotAllowed="Refund method not allowed",
        ChannelNotAllowed="Channel not allowed",
        DetailsContainCard="Details contain a card number",
    ),
    **_retryable(
        429,
        TooManyRequests="Too many requests",
        TooManyOperations="Too many operations",
    ),
    **_retryable(
        503,
        OutcomeUnknown="Outcome unknown",
        OwnerUnavailable="Owner unavailable",
        StorageUnavailable="Storage unavailable",
    ),
}

# Refusals that no HTTP caller meets: of batch rows, order lines and foreign messages.
SILENT: dict[str, Problem] = _titled(
    409,
    RowChanged="Row changed",
    CodeTooWeak="Code too weak",
    CodeRepeated="Code repeated in the chunk",
    NominalInvalid="Nominal invalid",
    AmountInvalid="Amount invalid",
    CurrencyUnknown="Currency unknown",
    MetadataTooLarge="Metadata too large",
    RowUnreadable="Row unreadable",
    LineActivated="Line activated",
    StaleVersion="Stale version",
    VersionConflict="Version conflict",
    TooManyPayments="Too many payments",
    RefundAmountMismatch="Refund amount mismatch",
    PaymentStatusUnknown="Payment status unknown",
    EntityTooLarge="Entity too large",
)

_STORED = frozenset({409, 422})


def problem(code: str) -> Problem:
    return PROBLEMS.get(code) or SILENT[code]


def is_stored(code: str) -> bool:
    """Whether the refusal of a mutating request is kept and replayed (§0, law 5)."""
    return problem(code).status in _STORED and code != "IdempotencyKeyReused"
