"""Writes the page, or says what the table claims that is not so."""

import sys

from deploy.coverage.lines import faults, read_table
from deploy.coverage.page import PAGE, page


def main() -> int:
    table = read_table()
    if wrong := faults(table):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    PAGE.write_text(page(table))
    open_lines = [line.name for line in table.lines if line.open]
    print(f"{PAGE.name}: {len(table.lines)} lines, {len(open_lines)} without a test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
