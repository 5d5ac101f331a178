"""The one set of settings, read once from the environment."""

import base64
import functools
import hashlib
import hmac
from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import AliasChoices, BeforeValidator, Field, SecretBytes, SecretStr, field_validator
from pydantic_settings import NoDecode

from app.contracts.topics import Topic, manifest
from app.domain.policy import Policy
from app.kafka_settings import KafkaSettings
from app.secrets_store import KEY_BYTES


def _decoded(value: Any) -> Any:
    return base64.b64decode(value.strip(), validate=True) if isinstance(value, str) else value


def _decoded_list(value: Any) -> Any:
    return [_decoded(part) for part in value.split(",")] if isinstance(value, str) else value


_Secret = Annotated[SecretBytes, Field(min_length=KEY_BYTES)]
Key = Annotated[_Secret, BeforeValidator(_decoded)]
Keys = Annotated[list[_Secret], NoDecode, BeforeValidator(_decoded_list)]


class Settings(KafkaSettings):
    """Environment names are GIFTMARK_<FIELD>; secrets are base64 of at least 32 bytes."""

    database_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("GIFTMARK_DATABASE_URL", "DATABASE_URL", "database_url"),
    )
    app_name: str = "giftmark"
    worker_name: str = "worker-1"
    data_dir: Path = Path(".data")
    ledger_partitions: int = Field(default=4, ge=1, le=1_000)
    inbound_partitions: int = Field(default=4, ge=1, le=1_000)
    clients_file: Path | None = None
    # Of `GiftCertificateTransaction`, at its creation; 0 keeps it for ever.
    transaction_retention_days: int = Field(default=30, ge=0)

    public_url: str = "http://127.0.0.1:8080"
    public_host: str = "127.0.0.1"
    public_port: int = 8080
    services_port: int = 8081
    internal_host: str = "127.0.0.1"
    internal_port: int = 0
    http_deadline_ms: int = Field(default=3_000, ge=100, le=60_000)

    session_timeout_s: float = Field(default=10.0, ge=1)
    heartbeat_s: float = 1.0
    rebalance_timeout_s: float = 10.0
    commit_interval_s: float = 1.0
    epoch_renewal_s: float = 6 * 3_600
    clock_offset_ms: int = 0
    log_format: str = Field(default="console", pattern="^(console|json)$")
    log_level: str = "INFO"

    code_pepper: Key
    contact_keys: Keys
    payout_key: Key
    dead_letter_key: Key
    forward_key: Key
    inbound_amount_unit: str = Field(default="minor", pattern="^(minor|decimal)$")
    payment_status_map: dict[str, str] = Field(default_factory=dict)

    # The gateway that carries SMS and e-mail; without one messages wait.
    sms_url: str | None = None
    sms_token: SecretStr | None = None
    sms_answer_s: float = Field(default=10.0, gt=0, le=60)
    notify_retry_first_s: float = Field(default=5.0, gt=0)
    notify_retry_most_s: float = Field(default=600.0, gt=0)
    notify_resend_s: float = Field(default=600.0, gt=0)
    notify_give_up_s: float = Field(default=86_400.0, gt=0)

    # From this hour of the zone of business on the mart's night is due.
    nightly_hour: int = Field(default=3, ge=0, le=23)

    # Fields of `Policy` that differ from their defaults, as JSON.
    policy: dict[str, Any] = Field(default_factory=dict)

    @field_validator("policy")
    @classmethod
    def _is_a_policy(cls, fields: dict[str, Any]) -> dict[str, Any]:
        msgspec.convert(fields, Policy)
        return fields

    def topics(self) -> tuple[Topic, ...]:
        """What this installation needs on its broker."""
        return manifest(
            self.ledger_partitions,
            self.inbound_partitions,
            transaction_days=self.transaction_retention_days,
        )

    @property
    def pepper_check(self) -> str:
        """A value that tells peppers apart and nothing about them."""
        pepper = self.code_pepper.get_secret_value()
        return hmac.new(pepper, b"giftmark pepper check", hashlib.sha256).hexdigest()[:16]


@functools.cache
def settings() -> Settings:
    return Settings()
