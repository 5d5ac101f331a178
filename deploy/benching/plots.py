"""The report as pictures: rates of the step, latency of the till, growth."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deploy.benching.figures import Report

mpl.use("Agg")
WIDTH, HEIGHT = 8.0, 4.5
KINDS = ("png", "svg")


def draw(report: Report, folder: Path) -> list[Path]:
    """Writes each picture as PNG and SVG; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"step": _step, "authorize": _authorize, "growth": _growth}
    written: list[Path] = []
    for name, picture in pictures.items():
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        if picture(report, figure.subplots()):
            for kind in KINDS:
                path = folder / f"{name}.{kind}"
                figure.savefig(path)
                written.append(path)
    return written


def _step(report: Report, axes: Axes) -> bool:
    rows = [row for row in report.rows if row.unit == "commands/s" and row.rounds]
    rows = [row for row in rows if not row.name.endswith("certificates")]
    names = [row.name for row in rows]
    middle = [row.per_cpu_s() for row in rows]
    low = [m - min(p.per_cpu_s for p in r.rounds) for m, r in zip(middle, rows, strict=True)]
    high = [max(p.per_cpu_s for p in r.rounds) - m for m, r in zip(middle, rows, strict=True)]
    axes.barh(names, middle, xerr=[low, high])
    axes.invert_yaxis()
    axes.set_xlabel("commands per CPU second (median and range)")
    axes.set_title("Ledger step: ours with the full law, peers with the plain step")
    return bool(rows)


def _authorize(report: Report, axes: Axes) -> bool:
    names = list(dict.fromkeys(one.name for one in report.latencies if one.rate >= 500))
    for name in names:
        points = [(one.rate, one.p99_ms) for one in report.latencies if one.name == name]
        open_loop = sorted(point for point in points if point[0])
        axes.plot(*zip(*open_loop, strict=True), marker="o", label=name)
    axes.set_yscale("log")
    axes.set_xlabel("requests asked per second (open loop)")
    axes.set_ylabel("p99, ms")
    axes.set_title("Authorize: latency from the moment a request was due")
    if names:
        axes.legend()
    return bool(names)


def _growth(report: Report, axes: Axes) -> bool:
    rows = [row for row in report.rows if row.name.endswith("certificates") and row.rounds]
    sizes = [int(row.name.split()[1].replace(",", "")) for row in rows]
    axes.plot(sizes, [1e6 / row.per_cpu_s() for row in rows], marker="o")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("certificates in the ledger")
    axes.set_ylabel("CPU µs per command")
    axes.set_title("Growth of the cost of a command")
    return len(rows) > 1
