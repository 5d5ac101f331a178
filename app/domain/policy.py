"""Every limit and term of the certificate half that a customer may set."""

import msgspec

SECOND_MS = 1_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


RESULTS_MOST = 4_000  # as many as pages can hold


class Policy(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Units are in the names; defaults are those of the design. Raises ValueError."""

    business_tz: str = "Europe/Moscow"
    hold_default_pos_s: int = 1_800
    hold_default_web_s: int = 604_800
    hold_min_s: int = 60
    hold_max_s: int = 604_800
    holds_open_max: int = 16
    holds_kept_max: int = 64
    hold_kept_days: int = 30
    return_days: int = 180
    late_capture_days: int = 7
    reversal_horizon_h: int = 24
    tombstones_max: int = 16
    tombstone_days: int = 30
    results_max: int = 256
    results_days: int = 30
    results_young_h: int = 24
    refusals_max: int = 64
    senders_max: int = 8
    blocks_max: int = 8
    refunds_kept: int = 3
    refund_deadline_days: int = 10
    refund_retry_s: tuple[int, ...] = (900, 3_600, 21_600, 86_400)
    refund_details_remind_days: tuple[int, ...] = (3, 7)
    refund_details_cancel_days: int = 30
    nominal_max: int = 100_000_000
    saga_retry_s: tuple[int, ...] = (60, 600) + (3_600,) * 24 + (86_400,) * 30
    allocation_days: int = 14
    order_stub_hours: int = 48
    order_kept_days: int = 400
    payment_kept_days: int = 30
    lines_max: int = 500
    payments_max: int = 100
    entries_max: int = 500
    contact_after_activation_days: int = 60
    contact_after_sent_days: int = 7
    claim_period_months: int = 36
    unsettled_days: int = 7

    def __post_init__(self) -> None:
        for name in ("results_max", "refusals_max"):
            if not 1 <= getattr(self, name) <= RESULTS_MOST:
                raise ValueError(f"{name}: from 1 to {RESULTS_MOST}")
