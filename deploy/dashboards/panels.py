"""One panel a metric: counters as rates, histograms as percentiles, gauges at their highest."""

from collections.abc import Iterable
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from app.certificates.notify.figures import NOTIFY
from app.integrations.observing import PrometheusObserver
from app.marking import issue_files
from app.marking import metrics as marking
from app.metrics import FLOW, LEDGER, MART
from web import marking_serving
from web.metrics import Metrics

Panel = dict[str, Any]
WIDTH, HEIGHT, COLUMNS = 8, 7, 3
UNITS = {"seconds": "s", "bytes": "bytes"}
SOURCE = {"type": "prometheus", "uid": "${source}"}


class Declared(msgspec.Struct, frozen=True):
    """`kind`: counter, gauge or histogram; `name` has no ending."""

    name: str
    text: str
    kind: str
    labels: tuple[str, ...]


def declared() -> dict[str, dict[str, list[Declared]]]:
    """Metrics by the row they stand in, by dashboard."""
    certificates = {
        "Tills": _of(vars(Metrics(CollectorRegistry())).values()),
        "Ledger": _of(vars(LEDGER).values()),
        "Topics": _of(vars(FLOW).values()),
        "Mart": _of(vars(MART).values()),
        "Notifications": _of(vars(NOTIFY).values()),
    }
    orders = {
        "Orders": _of([*vars(marking).values(), marking.TICK.gauge]),
        "Files and labels": _of([issue_files.ISSUES, issue_files.LABELS]),
        "Requests": _of([marking_serving.REQUESTS, marking_serving.SECONDS]),
        "Calls": _of(vars(PrometheusObserver(CollectorRegistry())).values()),
    }
    return {"certificates": certificates, "marking": orders}


def dashboard(name: str, rows: dict[str, list[Declared]]) -> dict[str, Any]:
    """What Grafana imports; the source of data is chosen there."""
    panels: list[Panel] = []
    y = 0
    for title, metrics in rows.items():
        panels.append({"type": "row", "title": title, "gridPos": _place(0, y, w=24, h=1)})
        for n, metric in enumerate(metrics):
            row, column = divmod(n, COLUMNS)
            place = _place(column * WIDTH, y + 1 + row * HEIGHT)
            panels.append(panel(metric) | {"gridPos": place})
        y += 1 + -(-len(metrics) // COLUMNS) * HEIGHT
    for number, one in enumerate(panels, start=1):
        one["id"] = number
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {
        "uid": f"giftmark-{name}",
        "title": f"giftmark: {name}",
        "tags": ["giftmark"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }


def panel(metric: Declared) -> Panel:
    unit = next((UNITS[word] for word in metric.name.split("_") if word in UNITS), "short")
    return {
        "type": "timeseries",
        "title": metric.text,
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {"unit": "ops" if metric.kind == "counter" else unit, "min": 0},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + n), "expr": expr, "legendFormat": legend}
            for n, (expr, legend) in enumerate(_queries(metric))
        ],
    }


def _queries(metric: Declared) -> Iterable[tuple[str, str]]:
    name, labels = metric.name, metric.labels
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    match metric.kind:
        case "counter":
            by = f" by ({', '.join(labels)})" if labels else ""
            yield f"sum{by} (rate({name}_total[5m]))", legend or "all"
        case "histogram":
            rate = f"sum by ({', '.join(('le', *labels))}) (rate({name}_bucket[5m]))"
            for share in (50, 99):
                yield f"histogram_quantile({share / 100}, {rate})", f"p{share} {legend}".strip()
        case _:
            by = ", ".join(labels or ("instance",))
            yield f"max by ({by}) ({name})", legend or "{{instance}}"


def _of(values: Iterable[Any]) -> list[Declared]:
    found = []
    for metric in values:
        if isinstance(metric, MetricWrapperBase):
            (told,) = metric.describe()
            labels = tuple(metric._labelnames)  # noqa: SLF001 - told to nobody else
            found.append(Declared(told.name, told.documentation, told.type, labels))
    return found


def _place(x: int, y: int, *, w: int = WIDTH, h: int = HEIGHT) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}
