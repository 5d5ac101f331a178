"""Reports over the mart: views, read as rows, shown as a table, CSV or a picture."""

import csv
from collections.abc import Callable
from datetime import date
from typing import Any, TextIO

import msgspec
from rich.table import Table

from app.certificates.database import Database, Row

ROWS_MOST = 100_000
LIABILITY = "liability"


class Report(msgspec.Struct, frozen=True):
    """`day`: the column that `from` and `to` bound, if the report has one."""

    view: str
    order: str
    day: str | None = None
    money: tuple[str, ...] = ("balance",)


REPORTS: dict[str, Report] = {
    LIABILITY: Report("mart.liability", "day, currency, product_id", "day"),
    "breakage": Report("mart.breakage", "month_of_expiry, currency, idle_months"),
    "redemption": Report(
        "mart.redemption",
        "day, store_id, currency",
        "day",
        ("captured", "reversed", "restored", "net"),
    ),
    "refund-ageing": Report(
        "mart.refund_ageing", "days, status, method, currency", None, ("amount", "shortfall")
    ),
    "batches": Report("mart.batches", "created_at, batch_id"),
    "unsettled": Report("mart.unsettled", "changed_at, order_id, order_line_id", None, ()),
}


async def report_rows(
    database: Database, name: str, *, since: date | None = None, until: date | None = None
) -> list[Row]:
    """At most a hundred thousand rows. Raises KeyError for an unknown name."""
    report = REPORTS[name]
    bounds = ""
    if report.day is not None:
        bounds = (
            f" WHERE ({report.day} >= %(since)s::date OR %(since)s::date IS NULL)"
            f" AND ({report.day} <= %(until)s::date OR %(until)s::date IS NULL)"
        )
    # Every word of the statement comes from the table above.
    statement = f"SELECT * FROM {report.view}{bounds}"  # noqa: S608
    statement += f" ORDER BY {report.order} LIMIT {ROWS_MOST}"
    async with database.transaction() as tx:
        await tx.may_take(120)
        return await tx.rows(statement, since=since, until=until)


def report_table(name: str, rows: list[Row]) -> Table:
    """Money in minor units, as everywhere."""
    money = REPORTS[name].money
    table = Table(title=f"{name} (money in minor units)" if money else name)
    for column in rows[0] if rows else ("nothing",):
        table.add_column(column, justify="right" if column in money else "left")
    for row in rows:
        table.add_row(*(_cell(column, value, money) for column, value in row.items()))
    return table


def write_csv(rows: list[Row], file: TextIO) -> None:
    writer = csv.writer(file)
    if rows:
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)


def plot(name: str, rows: list[Row], path: str) -> None:
    """A picture of what was owed, spent or aged. Raises KeyError if a table says it better."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second to load, seldom needed

    draw = _PLOTS[name]
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    draw(axes, rows)
    axes.set_title(name)
    axes.set_ylabel("minor units")
    axes.legend()
    figure.savefig(path)


def _liability(axes: Any, rows: list[Row]) -> None:
    for currency in sorted({row["currency"] for row in rows}):
        owed: dict[date, int] = {}
        for row in rows:
            if row["currency"] == currency:
                owed[row["day"]] = owed.get(row["day"], 0) + row["balance"]
        axes.step(list(owed), list(owed.values()), where="post", label=currency)


def _redemption(axes: Any, rows: list[Row]) -> None:
    for store in sorted({row["store_id"] for row in rows}):
        mine = [row for row in rows if row["store_id"] == store]
        axes.plot(
            [row["day"] for row in mine],
            [row["net"] for row in mine],
            marker="o",
            label=store or "no store",
        )


def _breakage(axes: Any, rows: list[Row]) -> None:
    by_month: dict[str, int] = {}
    for row in rows:
        month = row["month_of_expiry"]
        by_month[month] = by_month.get(month, 0) + row["balance"]
    axes.bar(list(by_month), list(by_month.values()), label="unclaimed balance")


_PLOTS: dict[str, Callable[[Any, list[Row]], None]] = {
    LIABILITY: _liability,
    "redemption": _redemption,
    "breakage": _breakage,
}
PLOTTED = tuple(_PLOTS)


def _cell(column: str, value: Any, money: tuple[str, ...]) -> str:
    if value is None:
        return ""
    return f"{value:,}" if column in money else str(value)
