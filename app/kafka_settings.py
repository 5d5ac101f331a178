"""Which brokers there are and how they know us, read from the environment."""

import contextlib
import ssl
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.kafka_access import KafkaAccess

_TLS = ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file")
_SASL = ("kafka_sasl_mechanism", "kafka_username", "kafka_password")


class _OneSidedClose(ssl.SSLObject):
    """Tells the broker that it closes and leaves: a broker that reads this together with a
    request answers it only when the connection ends, and we would wait for half a minute.
    """

    def unwrap(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            super().unwrap()


class KafkaSettings(BaseSettings):
    """Environment names are GIFTMARK_<FIELD>, that of the address KAFKA_URL too."""

    model_config = SettingsConfigDict(
        env_prefix="GIFTMARK_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    kafka_url: str = Field(
        default="127.0.0.1:9092",
        validation_alias=AliasChoices("GIFTMARK_KAFKA_URL", "KAFKA_URL", "kafka_url"),
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    # PEM files: whom the brokers' certificates come from, if not from the system's authorities;
    # our own certificate and its key, which is not encrypted.
    kafka_ca_file: Path | None = None
    kafka_certificate_file: Path | None = None
    kafka_key_file: Path | None = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self._over_tls:
            self._refuse(_TLS, given=True)
        self._refuse(_SASL, given=not self._by_sasl)
        if (self.kafka_certificate_file is None) != (self.kafka_key_file is None):
            raise ValueError("kafka_key_file: a certificate and its key are given together")
        if self._over_tls:
            self._tls()
        return self

    @property
    def _over_tls(self) -> bool:
        return self.kafka_security_protocol in {"SSL", "SASL_SSL"}

    @property
    def _by_sasl(self) -> bool:
        return self.kafka_security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    def _refuse(self, names: tuple[str, ...], *, given: bool) -> None:
        wrong = "of no use with" if given else "needed with"
        for name in names:
            if (getattr(self, name) is not None) == given:
                raise ValueError(f"{name}: {wrong} {self.kafka_security_protocol}")

    def _tls(self) -> ssl.SSLContext:
        """Raises ValueError when a file is missing or is not what it should be."""
        authority, certificate = self.kafka_ca_file, self.kafka_certificate_file
        try:
            context = ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise ValueError(f"kafka_ca_file: {authority}: {error}") from error
        context.sslobject_class = _OneSidedClose
        if certificate is None:
            return context
        try:
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(certificate, self.kafka_key_file, password="")
        except OSError as error:
            files = f"{certificate}, {self.kafka_key_file}"
            raise ValueError(f"kafka_certificate_file: {files}: {error}") from error
        return context

    @property
    def kafka(self) -> KafkaAccess:
        security: dict[str, Any] = {}
        if self._over_tls or self._by_sasl:
            security["security_protocol"] = self.kafka_security_protocol
        if self._over_tls:
            security["ssl_context"] = self._tls()
        if self.kafka_password is not None:
            security["sasl_mechanism"] = self.kafka_sasl_mechanism
            security["sasl_plain_username"] = self.kafka_username
            security["sasl_plain_password"] = self.kafka_password.get_secret_value()
        return KafkaAccess(self.kafka_url, security)
