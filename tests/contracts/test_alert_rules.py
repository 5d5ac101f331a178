"""Alert rules speak of metrics that workers have, by labels that these have."""

import re
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from app.certificates.notify.figures import NOTIFY
from app.integrations.observing import PrometheusObserver
from app.marking import issue_files
from app.marking import metrics as marking
from app.metrics import FLOW, LEDGER, MART
from web import marking_serving
from web.metrics import Metrics

RULES = sorted((Path(__file__).parents[2] / "deploy" / "prometheus").glob("*.yml"))
ENDS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
USED = re.compile(r"\b((?:giftmark|marking)_\w+)(?:\{([^}]*)\})?")
SPAN = re.compile(r"\d+[smhd]")


class Labels(msgspec.Struct, forbid_unknown_fields=True):
    severity: Literal["page", "ticket"]


class Annotations(msgspec.Struct, forbid_unknown_fields=True):
    summary: str
    do: str


class Rule(msgspec.Struct, forbid_unknown_fields=True, rename={"lasting": "for"}):
    alert: str
    expr: str
    labels: Labels
    annotations: Annotations
    lasting: str = "0s"


class Group(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    rules: list[Rule]


class File(msgspec.Struct, forbid_unknown_fields=True):
    groups: list[Group]


def all_rules() -> list[Rule]:
    files = [msgspec.yaml.decode(path.read_bytes(), type=File) for path in RULES]
    return [rule for file in files for group in file.groups for rule in group.rules]


def exposed() -> dict[str, set[str]]:
    """The samples that workers expose, with their labels."""
    found: dict[str, set[str]] = {}
    calls = PrometheusObserver(CollectorRegistry())
    owners = (FLOW, LEDGER, MART, NOTIFY, Metrics(CollectorRegistry()), calls)
    for owner in (*owners, marking, marking_serving, issue_files):
        for metric in vars(owner).values():
            if isinstance(metric, MetricWrapperBase):
                found |= samples(metric)
    return found | samples(marking.TICK.gauge)


def samples(metric: MetricWrapperBase) -> dict[str, set[str]]:
    ends = ENDS[str(metric._type)]
    return {metric._name + end: {*metric._labelnames, "le"} for end in ends}


def strange(expr: str) -> list[str]:
    """Samples and labels of the expression that nobody exposes."""
    known = exposed()
    used = [(name, re.findall(r"(\w+)\s*[=!]", inside)) for name, inside in USED.findall(expr)]
    wrong = [name for name, _ in used if name not in known]
    labels = [*(label for _, inside in used for label in inside), *_grouped(expr)]
    allowed = set().union(*(known.get(name, set()) for name, _ in used))
    return wrong + [label for label in labels if label not in allowed]


def _grouped(expr: str) -> list[str]:
    inside = re.findall(r"\bby \(([^)]*)\)", expr)
    return [label.strip() for part in inside for label in part.split(",")]


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.alert)
def test_a_rule_speaks_of_what_workers_expose(rule: Rule) -> None:
    assert USED.search(rule.expr)
    assert strange(rule.expr) == []
    assert rule.expr.count("(") == rule.expr.count(")")
    assert all(
        SPAN.fullmatch(span) for span in [*re.findall(r"\[(.*?)\]", rule.expr), rule.lasting]
    )
    shown = set(re.findall(r"\$labels\.(\w+)", rule.annotations.summary))
    assert shown <= set(_grouped(rule.expr))


@pytest.mark.parametrize(
    ("counter", "labels"),
    [
        ("marking_doubles_total", {"operation": "create_order"}),
        ("marking_escalations_total", {"stage": "emission"}),
        ("marking_dlq_total", {"topic": "suz_orders"}),
        ("marking_refusals_total", {"step": "SUZ_SENDING", "error": "bug"}),
    ],
)
def test_the_first_event_of_a_process_is_an_increase(counter: str, labels: dict[str, str]) -> None:
    assert REGISTRY.get_sample_value(counter, labels) is not None


def test_both_halves_have_rules() -> None:
    assert [path.stem for path in RULES] == ["certificates", "marking"]


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [rule.alert for rule in all_rules()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("expr", "wrong"),
    [
        ("giftmark_alerts > 0", ["giftmark_alerts"]),
        ("sum by (shop) (giftmark_alerts_total) > 0", ["shop"]),
        ('giftmark_agent_lag_records{tipic=~"x"} > 0', ["tipic"]),
        ("sum by (name) (increase(giftmark_alerts_total[5m])) > 0", []),
        ("max(marking_orders_open) > 0", ["marking_orders_open"]),
        ('max(marking_holds{state="attention"}) > 0', ["state"]),
    ],
)
def test_a_rule_about_nothing_would_be_noticed(expr: str, wrong: list[str]) -> None:
    assert strange(expr) == wrong
