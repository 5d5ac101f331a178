"""Prometheus itself says when each rule rings: in trouble it does, on a good day it does not."""

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.contracts.test_alert_rules import all_rules

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
TOOL = shutil.which("promtool") or str(ROOT / ".data/prometheus/usr/bin/promtool")


class Case(msgspec.Struct, frozen=True):
    """Series by name with labels, a value a minute (Prometheus's shorthand), bad and good."""

    bad: dict[str, str]
    good: dict[str, str]
    at: str = "2h"


def one(series: str, bad: str, good: str) -> Case:
    return Case({series: bad}, {series: good})


def event(counter: str) -> tuple[Case, ...]:
    """One that appears with its first event rings as well as one that goes from 0 to 1."""
    return one(counter, "0x115 1x20", "1x140"), one(counter, "_x115 1x20", "0x140")


CERTIFICATES: dict[str, tuple[Case, ...]] = {
    "PartitionsNotOpen": (
        Case(
            {
                "giftmark_ledger_open_partitions": "3x140",
                "giftmark_ledger_owned_partitions": "4x140",
            },
            {
                "giftmark_ledger_open_partitions": "4x140",
                "giftmark_ledger_owned_partitions": "4x140",
            },
        ),
    ),
    "OutcomesUnknown": (one("giftmark_ledger_outcome_unknown_total", "0+10x140", "0+2x140"),),
    "CommitsSlow": (
        Case(
            {
                'giftmark_ledger_commit_seconds_bucket{le="0.25"}': "0+90x140",
                'giftmark_ledger_commit_seconds_bucket{le="0.5"}': "0+100x140",
                'giftmark_ledger_commit_seconds_bucket{le="+Inf"}': "0+100x140",
            },
            {
                'giftmark_ledger_commit_seconds_bucket{le="0.25"}': "0+100x140",
                'giftmark_ledger_commit_seconds_bucket{le="0.5"}': "0+100x140",
                'giftmark_ledger_commit_seconds_bucket{le="+Inf"}': "0+100x140",
            },
        ),
    ),
    "CommandsWait": (one("giftmark_ledger_watermark_lag_records", "200000x140", "1000x140"),),
    "DueWorkWaits": (one("giftmark_ledger_due_backlog_seconds", "300x140", "10x140"),),
    "PublishingStopped": (one("giftmark_publishing_stopped", "1x140", "0x140"),),
    "PublishingBehind": (one("giftmark_publishing_age_seconds", "4000x140", "600x140"),),
    "RecordsLost": event("giftmark_records_lost_total"),
    "OperatorsNeeded": event('giftmark_alerts_total{name="RefundOverdue"}'),
    "DeadLetters": event('giftmark_dead_letters_total{topic="t",code="c"}'),
    "CodesGuessed": (one("giftmark_code_misses_total", "0+100x140", "0+20x140"),),
    "MartBehind": (
        one('giftmark_agent_lag_records{topic="GiftCertificateBI"}', "200000x140", "100x140"),
    ),
    "MartDiffers": (one("giftmark_mart_reconciliation_differences", "1x140", "0x140"),),
    "NightMissed": (
        Case(
            {"giftmark_mart_night_timestamp_seconds": "1x1700"},
            {"giftmark_mart_night_timestamp_seconds": "1+60x1700"},
            "28h",
        ),
    ),
    "MessagesWait": (one("giftmark_notifications_oldest_seconds", "4000x140", "60x140"),),
    "MessagesFail": event('giftmark_notifications_ended_total{state="FAILED"}'),
}
MARKING: dict[str, tuple[Case, ...]] = {
    "OrdersDoubled": event('marking_doubles_total{operation="suz.create_order"}'),
    "CodesMissing": (one("marking_codes_missing", "1x140", "0x140"),),
    "OutcomeUnsettled": (one('marking_calls_open{state="UNKNOWN"}', "1x140", "0x115 1x20"),),
    "ExchangeBroken": event('marking_refusals_total{step="EMITTING",error="bug"}'),
    "OperatorAwaited": (
        Case(
            {'marking_holds{hold="attention"}': "1x400"},
            {'marking_holds{hold="attention"}': "0x200 1x200"},
            "6h",
        ),
    ),
    "OrdersUnanswered": event('marking_escalations_total{stage="emission"}'),
    "ForeignOrders": (
        Case(
            {"marking_foreign_orders": "1x1600"}, {"marking_foreign_orders": "1x1400 0x200"}, "25h"
        ),
    ),
    "CodesBurnSoon": (
        Case(
            {'marking_codes_expiring{days="7"}': "5x140"},
            {
                'marking_codes_expiring{days="7"}': "0x140",
                'marking_codes_expiring{days="30"}': "5x140",
            },
        ),
    ),
    "BreakerOpen": (one('marking_breaker_state{upstream="suz"}', "2x140", "2x115 0x20"),),
    "TokenEnds": (
        Case(
            {'marking_token_left_seconds{kind="suz"}': "800x140", "marking_orders": "1x140"},
            {'marking_token_left_seconds{kind="suz"}': "800x140", "marking_orders": "0x140"},
        ),
        Case(
            {'marking_token_left_seconds{kind="suz"}': "800x140", "marking_orders": "1x140"},
            {'marking_token_left_seconds{kind="suz"}': "9000x140", "marking_orders": "1x140"},
        ),
    ),
    "RenewalStopped": (one("marking_renewals_stopped", "1x140", "0x140"),),
    "ClockSkewed": (one('marking_clock_skew_seconds{upstream="suz"}', "130x140", "3x140"),),
    "NobodyTicks": (
        one("marking_tick_age_seconds", "0+60x140", "5x140"),
        one("marking_tick_age_seconds", "5x60", "5x140"),
    ),
    "PollsLate": (one('marking_poll_lag_seconds{kind="order"}', "200x140", "5x140"),),
    "FactsWait": (one("marking_outbox_age_seconds", "400x140", "5x140"),),
    "WritesStale": event("marking_stale_writes_total"),
    "WorkUndecodable": event('marking_dlq_total{topic="marking_suz_orders"}'),
}
CASES = CERTIFICATES | MARKING


def ringing(folder: Path, series: dict[str, str], alert: str, *, at: str) -> bool:
    expr = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    test = {
        "rule_files": [str(path) for path in sorted(RULES.glob("*.yml"))],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": n, "values": v} for n, v in series.items()],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 0}]}
                ],
            }
        ],
    }
    path = folder / "test.yml"
    path.write_bytes(msgspec.yaml.encode(test))
    command = [TOOL, "test", "rules", str(path)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    told = ran.stdout + ran.stderr
    assert ran.returncode == 0 or re.search(r"got:\s*\[?\{\}? ?[1-9]", told), told
    return ran.returncode != 0


def test_the_files_are_sound() -> None:
    files = sorted(RULES.glob("*.yml"))
    assert files
    subprocess.run([TOOL, "check", "rules", *files], check=True, timeout=60)


def test_every_rule_has_a_case() -> None:
    assert {rule.alert for rule in all_rules()} == set(CASES)


@pytest.mark.parametrize(
    ("alert", "case"), [(alert, case) for alert, cases in CASES.items() for case in cases]
)
def test_a_rule_rings_in_trouble_only(tmp_path: Path, alert: str, case: Case) -> None:
    assert ringing(tmp_path, case.bad, alert, at=case.at)
    assert not ringing(tmp_path, case.good, alert, at=case.at)
