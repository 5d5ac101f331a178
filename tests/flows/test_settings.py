"""What a process is given from outside: refused when it is no key, not shown when it is one."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.contracts.topics import BI, TRANSACTION
from app.kafka_access import KafkaAccess
from app.kafka_settings import KafkaSettings
from app.marking_settings import MarkingSettings, marking_settings
from app.secrets_store import NAMES, new_key, variable
from app.settings import Settings, settings

SASL = {
    "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "SASL_MECHANISM": "PLAIN",
    "USERNAME": "giftmark",
    "PASSWORD": "sec-ret",
}
SHORT = new_key()[:40] + "AA=="  # 31 bytes
WORSE = new_key()[:-1] + "*"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in NAMES:
        monkeypatch.setenv(variable(name), new_key())
    settings.cache_clear()
    marking_settings.cache_clear()
    yield
    settings.cache_clear()
    marking_settings.cache_clear()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["", SHORT, WORSE], ids=["empty", "short", "no base64"])
def test_what_is_no_key_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(name), value)
    with pytest.raises(ValueError, match=name) as refused:
        (MarkingSettings if name.startswith("marking") else Settings)()
    assert not value or value not in str(refused.value)


@pytest.mark.parametrize("name", ["contact_keys", "marking_secret_keys"])
def test_each_of_several_keys_has_to_be_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MarkingSettings if name.startswith("marking") else Settings
    monkeypatch.setenv(variable(name), f"{new_key()}, {new_key()}\n")
    assert len(getattr(model(), name)) == 2
    monkeypatch.setenv(variable(name), f"{new_key()},")
    with pytest.raises(ValueError, match=name):
        model()


@pytest.mark.parametrize(("last", "sound"), [("119", False), ("120", False), ("121", True)])
def test_the_last_lookup_comes_after_the_longest_write(
    last: str, *, sound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIFTMARK_MARKING_RECONCILE_DELAYS_S", f"15,60,{last}")
    if sound:
        assert MarkingSettings().marking_reconcile_delays_s[-1] == 121
        return
    with pytest.raises(ValueError, match="must exceed suz_write_s"):
        MarkingSettings()


@pytest.mark.parametrize(
    ("days", "ms"), [(None, 2_592_000_000), ("400", 34_560_000_000), ("0", -1)]
)
def test_transactions_are_kept_as_long_as_one_says(
    days: str | None, ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if days is not None:
        monkeypatch.setenv("GIFTMARK_TRANSACTION_RETENTION_DAYS", days)
    kept = {topic.name: topic.config.get("retention.ms") for topic in Settings().topics()}
    assert (kept[TRANSACTION], kept[BI]) == (str(ms), "2592000000")


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        ("postgresql://mart:sec%2Fret@db.shop:5433/gift", "postgresql://***@db.shop:5433/gift"),
        ("postgresql://db/gift?user=mart&password=sec%2Fret", "postgresql://***@db:/gift"),
        ("host=db dbname=gift user=mart password='sec ret'", "postgresql://***@db:/gift"),
        ("postgresql://mart:sec/ret@db/gift", "***"),
        ("postgresql://mart:sec@ret@db/gift", "***"),
        ("nothing like sec or ret", "***"),
    ],
)
def test_config_shows_the_database_without_its_password(
    dsn: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIFTMARK_DATABASE_URL", dsn)
    assert f"database_url = '{place}'\n" in config()


@pytest.mark.parametrize("password", ["sec-ret", "sec/ret", "sec@ret"])
def test_config_shows_no_password_of_a_gateway(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIFTMARK_SMS_URL", f"https://us:{password}@sms.example/v1")
    assert "sms_url = 'https://***@sms.example/v1'\n" in config()


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"SECURITY_PROTOCOL": "TLS"}, "kafka_security_protocol"),
        ({"PASSWORD": "sec-ret"}, "kafka_password: of no use with PLAINTEXT"),
        ({"CA_FILE": "ca.pem"}, "kafka_ca_file: of no use with PLAINTEXT"),
        ({**SASL, "CA_FILE": "ca.pem"}, "kafka_ca_file: of no use with SASL_PLAINTEXT"),
        ({**SASL, "SASL_MECHANISM": "GSSAPI"}, "kafka_sasl_mechanism"),
        ({**SASL, "SASL_MECHANISM": None}, "kafka_sasl_mechanism: needed with SASL_PLAINTEXT"),
        ({**SASL, "PASSWORD": None}, "kafka_password: needed with SASL_PLAINTEXT"),
        ({**SASL, "SECURITY_PROTOCOL": "SSL"}, "kafka_sasl_mechanism: of no use with SSL"),
        ({"SECURITY_PROTOCOL": "SSL", "CA_FILE": "gone.pem"}, "kafka_ca_file: gone.pem: "),
        ({"SECURITY_PROTOCOL": "SSL", "CA_FILE": __file__}, "kafka_ca_file: "),
        ({"SECURITY_PROTOCOL": "SSL", "KEY_FILE": "our.key"}, "kafka_key_file: a certificate and"),
        (
            {"SECURITY_PROTOCOL": "SSL", "KEY_FILE": "our.key", "CERTIFICATE_FILE": "our.pem"},
            "kafka_certificate_file: our.pem, our.key: ",
        ),
    ],
)
def test_what_cannot_open_a_broker_is_refused(
    given: dict[str, str | None], refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(given, monkeypatch)
    with pytest.raises(ValueError, match=refusal) as refused:
        KafkaSettings()
    assert "sec-ret" not in str(refused.value)


def test_the_password_of_the_broker_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    tell(SASL, monkeypatch)
    assert "kafka_username = 'giftmark'\n" in config()
    assert "sec-ret" not in config() + repr(settings()) + repr(settings().kafka)


def test_an_address_of_the_command_line_goes_before_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell({"URL": "here:9092"}, monkeypatch)
    assert KafkaSettings(kafka_url="there:9092").kafka == KafkaAccess("there:9092")


def tell(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        if value is not None:
            monkeypatch.setenv(f"GIFTMARK_KAFKA_{name}", value)


def config() -> str:
    done = CliRunner().invoke(cli, ["config"])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ('{"results_max": 4001}', "results_max: from 1 to 4000"),
        ('{"results_max": "many"}', r"\$.results_max"),
        ('{"hold_days": 1}', "hold_days"),
    ],
)
def test_a_policy_that_is_none_is_refused_by_name(
    policy: str, *, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIFTMARK_POLICY", policy)
    with pytest.raises(ValueError, match=reason):
        Settings()
