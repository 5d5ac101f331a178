"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from app.embedded_postgres import running_dsn

EMBEDDED = Path(".data")
DataFolder = Annotated[Path, typer.Option(help="Folder of `up`, for its keys and addresses.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar=["GIFTMARK_DATABASE_URL", "DATABASE_URL"],
        show_envvar=False,
        help="Default: DATABASE_URL, else the one that runs in the folder of `up`.",
    ),
]


def found_database(given: str | None, data: Path) -> str | None:
    return given or running_dsn(data / "postgres")


def needed_database(given: str | None, data: Path) -> str:
    found = found_database(given, data)
    if found is None:
        raise typer.BadParameter(f"none is set and none runs under {data}", param_hint="--database")
    return found
