"""Settings of the marking half, read from the environment beside the common ones."""

import functools
from typing import Annotated, Self

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.marking.draft import DOCUMENT_WITHOUT_CODES
from app.domain.marking.order import Profile
from app.settings import Keys

_POLL_MODE = {Profile.DOCUMENT_FIRST: "list", Profile.ORDER_FIRST: "status"}
_REPORTS = {Profile.DOCUMENT_FIRST: "as_specified", Profile.ORDER_FIRST: "by_group"}

_ORIGINS = {
    "test": (
        "https://api.nk.sandbox.crptech.ru",
        "https://markirovka.sandbox.crptech.ru",
        "https://suz.sandbox.crptech.ru",
    ),
    "production": (
        "https://апи.национальный-каталог.рф",
        "https://markirovka.crpt.ru",
        "https://suzgrid.crpt.ru",
    ),
}


def _numbers(value: object) -> object:
    return tuple(float(part) for part in value.split(",")) if isinstance(value, str) else value


class MarkingSettings(BaseSettings):
    """Environment names are GIFTMARK_<FIELD>; seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="GIFTMARK_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    worker_name: str = "worker-1"
    database_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("GIFTMARK_DATABASE_URL", "DATABASE_URL", "database_url"),
    )
    sandbox_url: str | None = None
    chz_environment: str = Field(default="sandbox", pattern="^(sandbox|test|production)$")
    nk_base_url: str = ""
    true_api_base_url: str = ""
    suz_base_url: str = ""

    marking_flow_profile: Profile | None = None
    marking_document_first_in_production: bool = False
    marking_suz_poll_mode: str = Field(default="", pattern="^(|list|status)$")
    marking_suz_reports: str = Field(default="", pattern="^(|as_specified|by_group)$")
    marking_auto_introduce: bool = False

    order_timeout_minutes: float = Field(default=60, gt=0)
    suz_poll_interval: float = Field(default=30, gt=0)
    max_mark_check_batch: int = Field(default=100, ge=1, le=100)
    client_token_ttl_hours: float = Field(default=10, gt=0)
    suz_codes_block: int = Field(default=10_000, ge=1, le=150_000)
    suz_tail_block: int = Field(default=1, ge=1)
    suz_max_queued_orders: int = Field(default=100, ge=1)
    suz_max_active_orders: int = Field(default=100, ge=1)
    suz_self_close_s: float = Field(default=120, ge=0)
    suz_limit_pattern: str = r"(?i)лимит|предел|limit"
    true_api_rps: float = Field(default=25, gt=0)
    suz_rps: float = Field(default=8, gt=0)
    nk_calls_per_5min: int = Field(default=90, ge=1)
    http_connect_s: float = 5
    http_read_s: float = 30
    suz_write_s: float = 120
    suz_list_read_s: float = 150
    marking_send_window_s: float = 5
    marking_reconcile_delays_s: Annotated[
        tuple[float, ...], NoDecode, BeforeValidator(_numbers)
    ] = (15, 60, 180)
    marking_lease_s: float = 180
    marking_renew_s: float = 30
    marking_drain_s: float = 8
    marking_worker_slots: int = Field(default=64, ge=1)
    marking_participant_slots: int = Field(default=8, ge=1)
    token_renew_margin_minutes: float = 10
    created_limit_s: float = Field(default=600, gt=0)
    marking_idempotency_lock_s: float = 60

    marking_secret_keys: Keys
    marking_crash_at: str | None = None
    marking_time_scale: float = Field(default=1, gt=0)

    marking_sign_command: list[str] = Field(
        default=[], description="words of the command; {inn}, {mode}, {purpose} are filled in"
    )
    marking_sign_url: str | None = None
    marking_sign_certificate: str | None = None
    marking_sign_key: str | None = None
    marking_sign_authority: str | None = None
    marking_plugin_script: str | None = Field(
        default=None, description="address of the plug-in's own script for the signing page"
    )
    smtp_url: SecretStr | None = None
    smtp_from: str = "giftmark@localhost"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        production = self.chz_environment == "production"
        if production and self.marking_flow_profile is None:
            raise ValueError("marking_flow_profile: has to be chosen in production")
        first = self.profile is Profile.DOCUMENT_FIRST
        if production and first and not self.marking_document_first_in_production:
            raise ValueError(f"marking_document_first_in_production: {DOCUMENT_WITHOUT_CODES}")
        if self.marking_reconcile_delays_s[-1:] <= (self.suz_write_s,):
            raise ValueError("marking_reconcile_delays_s: the last must exceed suz_write_s")
        return self

    @property
    def addresses(self) -> tuple[str, str, str]:
        """Origins of NK, True API and SUZ; the emulator stands for all three."""
        known = _ORIGINS.get(self.chz_environment, (self.sandbox_url or "",) * 3)
        named = (self.nk_base_url, self.true_api_base_url, self.suz_base_url)
        nk, true_api, suz = (name or default for name, default in zip(named, known, strict=True))
        if not (nk and true_api and suz):
            raise ValueError("sandbox_url: needed with chz_environment=sandbox")
        return nk, true_api, suz

    @property
    def plugin_script(self) -> str | None:
        """In the sandbox the emulator plays the plug-in."""
        if self.marking_plugin_script or self.chz_environment != "sandbox":
            return self.marking_plugin_script
        return f"{self.sandbox_url}/_sandbox/plugin_stub.js" if self.sandbox_url else None

    @property
    def profile(self) -> Profile:
        return self.marking_flow_profile or Profile.DOCUMENT_FIRST

    @property
    def poll_mode(self) -> str:
        return self.marking_suz_poll_mode or _POLL_MODE[self.profile]

    @property
    def reports(self) -> str:
        return self.marking_suz_reports or _REPORTS[self.profile]


@functools.cache
def marking_settings() -> MarkingSettings:
    return MarkingSettings()
