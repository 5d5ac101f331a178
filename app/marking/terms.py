"""Durations, limits and choices the marking flow works by, all settings in one place."""

import re

import msgspec

from app.domain.marking.order import Profile
from app.domain.marking.view import Rules

SANDBOX = "sandbox"
PRODUCTION = "production"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Names as in the settings; seconds unless the name says otherwise."""

    worker_name: str = "worker-1"
    chz_environment: str = SANDBOX
    marking_flow_profile: Profile = Profile.DOCUMENT_FIRST
    marking_document_first_in_production: bool = False
    marking_suz_poll_mode: str = "list"
    marking_suz_reports: str = "as_specified"
    marking_auto_introduce: bool = False
    order_timeout_minutes: float = 60
    suz_poll_interval: float = 30
    max_mark_check_batch: int = 100
    client_token_ttl_hours: float = 10
    suz_codes_block: int = 10_000
    suz_tail_block: int = 1
    suz_max_queued_orders: int = 100
    suz_max_active_orders: int = 100
    suz_self_close_s: float = 0
    suz_limit_pattern: str = r"(?i)лимит|предел|limit"
    true_api_rps: float = 25
    suz_rps: float = 8
    nk_calls_per_5min: int = 90
    marking_reconcile_delays_s: tuple[float, ...] = (15, 60, 180)
    marking_lease_s: float = 180
    marking_renew_s: float = 30
    marking_drain_s: float = 8
    marking_send_window_s: float = 5
    marking_worker_slots: int = 64
    marking_participant_slots: int = 8
    token_renew_margin_minutes: float = 10
    marking_crash_at: str | None = None
    marking_time_scale: float = 1
    sweep_republish_s: float = 15
    sending_limit_s: float = 900
    retry_first_s: float = 5
    retry_longest_s: float = 300
    limit_wait_s: float = 60
    renewing_s: float = 60
    sign_in_challenge_s: float = 240
    early_refusals_apart_s: float = 3_600
    refused_at_once_s: float = 60
    card_stale_s: float = 86_400
    created_limit_s: float = 600
    code_refresh_s: float = 30
    report_search_s: float = 86_400

    def __post_init__(self) -> None:
        if self.marking_crash_at is not None and self.chz_environment != SANDBOX:
            raise ValueError("marking_crash_at: only for chz_environment=sandbox")
        if self.marking_time_scale != 1 and self.chz_environment != SANDBOX:
            raise ValueError("marking_time_scale: only for chz_environment=sandbox")
        if not self.marking_reconcile_delays_s:
            raise ValueError("marking_reconcile_delays_s: at least one delay is needed")

    def allows(self, profile: Profile) -> bool:
        """The real True API takes no document that comes before its codes."""
        if profile is not Profile.DOCUMENT_FIRST or self.chz_environment != PRODUCTION:
            return True
        return self.marking_document_first_in_production

    def scaled_ms(self, seconds: float) -> int:
        return max(1, round(seconds * 1_000 / self.marking_time_scale))

    def scaled_s(self, seconds: float) -> float:
        return seconds / self.marking_time_scale

    @property
    def lookups(self) -> int:
        return len(self.marking_reconcile_delays_s)

    def is_station_limit(self, text: str) -> bool:
        """A refusal that means too many orders; its wording is not published."""
        return re.search(self.suz_limit_pattern, text) is not None

    def rules(self) -> Rules:
        return Rules(
            self_close_ms=self.scaled_ms(self.suz_self_close_s),
            created_limit_ms=self.scaled_ms(self.created_limit_s),
            code_refresh_ms=self.scaled_ms(self.code_refresh_s),
            suz_poll_ms=self.scaled_ms(self.suz_poll_interval),
            list_mode=self.marking_suz_poll_mode == "list",
            sending_limit_s=self.sending_limit_s,
        )

    def backoff_ms(self, failures: int) -> int:
        """Pause after the n-th failure in a row."""
        longest = self.retry_longest_s
        return self.scaled_ms(min(longest, self.retry_first_s * 2 ** min(failures, 16)))
