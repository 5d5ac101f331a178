"""What `/metrics` of the services workers tell of the marking half, by the names of the design."""

import httpx
import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.stack import Stack

GTIN = gtin_of(1)
COUNTERS = """
    orders_created transitions refusals calls reconciliations doubles stale_writes codes_stored
    codes_recovered codes_duplicate codes_malformed token_refused_early sweeps escalations
    slots_refused checks unknown_values issues labels dlq
"""
GAUGES = """
    orders documents holds sign_requests calls_open breaker_state codes_missing codes_expiring
    token_left_seconds clock_skew_seconds poll_lag_seconds tick_age_seconds runner_slots_used
    outbox_age_seconds
"""
HISTOGRAMS = "stage_seconds call_seconds limiter_wait_seconds sign_wait_seconds"


@pytest.mark.beside
def test_every_metric_of_the_design_is_told_and_calls_are_counted(stack: Stack) -> None:
    shop = stack.shop()
    order = shop.order((GTIN, 3))["id"]
    shop.until_status(order, "COMPLETED")

    lines = _metrics_of_every_worker(stack)
    told = {tuple(line.split()[2:]) for line in lines if line.startswith("# TYPE marking_")}
    wanted = {
        *((f"marking_{name}_total", "counter") for name in COUNTERS.split()),
        *((f"marking_{name}", "gauge") for name in GAUGES.split()),
        *((f"marking_{name}", "histogram") for name in HISTOGRAMS.split()),
    }
    assert wanted - told == set()
    counted = {line.rsplit(" ", 1)[0] for line in lines}
    for operation in ("create_order", "fetch_codes", "close_order"):
        labels = f'operation="{operation}",outcome="ok",upstream="suz"'
        assert f"marking_calls_total{{{labels}}}" in counted
    for stage in shop.statuses(order)[:-1]:
        assert f'marking_stage_seconds_count{{stage="{stage}"}}' in counted
    assert not any(word in line for line in lines for word in (order, GTIN, shop.player.inn))


def _metrics_of_every_worker(stack: Stack) -> list[str]:
    """Any of the workers may have taken the order's next step, so each counts its part."""
    running = [w for w in stack.workers if w.process is not None and w.process.poll() is None]
    told = [
        httpx.get(f"http://127.0.0.1:{worker.internal}/metrics", trust_env=False)
        for worker in running
    ]
    return [line for answer in told for line in answer.raise_for_status().text.splitlines()]
