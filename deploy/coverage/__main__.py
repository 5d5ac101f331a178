"""Writes the pages, or says what the tables claim that is not so."""

import sys

from deploy.coverage.lines import faults, read_table
from deploy.coverage.page import BOOKS


def main() -> int:
    wrong = [fault for book in BOOKS for fault in faults(read_table(book.source))]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    for book in BOOKS:
        book.page.write_text(book.text())
        lines = read_table(book.source).lines
        open_lines = [line.name for line in lines if line.open]
        print(f"{book.page.name}: {len(lines)} lines, {len(open_lines)} without a test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
