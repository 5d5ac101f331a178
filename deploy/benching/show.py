"""The report in a terminal."""

from rich.console import Console
from rich.table import Table

from deploy.benching.figures import Bar, Latency, Report, Row


def show(report: Report, console: Console) -> None:
    console.print(_rows(report))
    if report.latencies:
        console.print(_latencies(report.latencies))
    if report.single:
        console.print(_single(report.single))
    console.print(_bars(report.bars))
    console.print("What is unequal:")
    for line in report.unequal:
        console.print(f"  - {line}", highlight=False)
    for name, reason in report.skipped.items():
        console.print(f"no figure for {name}: {reason}", style="red", markup=False)
    facts = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    console.print(f"{report.began}, {report.seconds:.0f} s, seed {report.seed}; {facts}")


def _rows(report: Report) -> Table:
    peers = [row for row in report.rows if row.rounds]
    first = peers[0].per_cpu_s() if peers else 0.0
    table = Table("row", "unit", "wall", "a CPU second", "spread", "ours ×", "MB", "load", "note",
                  title="Certificate day", title_justify="left")  # fmt: skip
    for row in report.rows:
        table.add_row(*_cells(row, first))
    return table


def _cells(row: Row, first: float) -> list[str]:
    if not row.rounds:
        return [row.name, row.unit, "-", "-", "-", "-", "-", "-", "no figure"]
    spread = f"{row.spread():.0%}" + (" noisy" if row.noisy() else "")
    load = " ".join(f"{one:.1f}" for one in row.load)
    times = f"{first / row.per_cpu_s():.2f}" if row.unit == "commands/s" else ""
    rates = [f"{row.per_s():,.0f}", f"{row.per_cpu_s():,.0f}"]
    return [row.name, row.unit, *rates, spread, times, f"{row.peak_mb():.0f}", load, row.note]


def _latencies(latencies: list[Latency]) -> Table:
    table = Table("row", "asked", "done/s", "p50 ms", "p99 ms", "max ms", "CPU ms each", "other",
                  "load", title="Answers and events", title_justify="left")  # fmt: skip
    for one in latencies:
        asked = f"{one.rate:,}/s" if one.rate else f"{one.connections} connections"
        cpu = f"{one.server_cpu_s / one.done * 1_000:.2f}" if one.done else "-"
        times = [f"{value:,.1f}" for value in (one.p50_ms, one.p99_ms, one.max_ms)]
        row = [one.name, asked, f"{one.per_s:,.0f}", *times, cpu, str(one.failures)]
        table.add_row(*row, f"{one.load:.1f}")
    return table


def _single(single: dict[str, float]) -> Table:
    table = Table("figure", "value", title="Single figures", title_justify="left")
    for name, value in single.items():
        table.add_row(name.replace("_", " "), f"{value:,.2f}")
    return table


def _bars(bars: list[Bar]) -> Table:
    table = Table("bar", "found", "bound", "stretch", "", title="Bars", title_justify="left")
    for bar in bars:
        sign = "≥" if bar.at_least else "≤"
        found = "-" if bar.value is None else f"{bar.value:,.2f}"
        verdict = {None: "not measured", True: "holds", False: "MISSED"}[bar.holds]
        table.add_row(bar.name, found, f"{sign} {bar.bound:g}", f"{sign} {bar.stretch:g}", verdict)
    return table
