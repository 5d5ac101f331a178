"""Every metric of the code has one panel, which asks for samples that workers expose."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.test_alert_rules import strange

HALVES = ("certificates", "marking")


@pytest.fixture(scope="module")
def dashboards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("grafana") / "new"
    command = [sys.executable, "-m", "deploy.dashboards", str(folder)]
    subprocess.run(command, check=True, timeout=60)
    return {half: json.loads((folder / f"giftmark-{half}.json").read_text()) for half in HALVES}


METRIC = re.compile(r'(?:Counter|Gauge|Histogram)\(\s*"(\w+)"')


def expressions(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize("half", HALVES)
def test_panels_ask_for_what_workers_expose(
    dashboards: dict[str, dict[str, Any]], half: str
) -> None:
    asked = expressions(dashboards[half])
    assert asked
    assert [wrong for expr in asked for wrong in strange(expr) if wrong != "instance"] == []


def test_every_metric_named_in_the_code_has_a_panel(
    dashboards: dict[str, dict[str, Any]],
) -> None:
    asked = " ".join(expr for half in HALVES for expr in expressions(dashboards[half]))
    named = {
        name
        for folder in ("app", "agents", "tables", "web")
        for path in Path(folder).rglob("*.py")
        for name in METRIC.findall(path.read_text())
    }
    assert len(named) > 50
    assert {name for name in named if name not in asked} == set()


def test_panels_have_numbers_and_places_of_their_own(
    dashboards: dict[str, dict[str, Any]],
) -> None:
    for board in dashboards.values():
        panels = board["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)
