"""Print the compatibility report: every endpoint of the contract, who uses it, and what is handled of it here."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from control_plane.services.compatibility import Row, compare, read_contract
from control_plane.services.table import handler_table

PROJECT = Path(__file__).parent.parent
SOURCES = (PROJECT.parent / "shared/contract/endpoints.json", PROJECT / "tests/unit/services/endpoints.json")
"""The contract, and the copy of its names and fields that the tests carry."""


def main() -> int:
    """Exit code 1 when something that an official client uses is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--missing", action="store_true", help="only what is missing")
    arguments = parser.parse_args()
    source = next(path for path in SOURCES if path.exists())
    rows = compare(read_contract(json.loads(source.read_text())), handler_table())
    gaps = [row for row in rows if row.used_by and (not row.is_handled or row.missing)]
    shown = gaps if arguments.missing else rows
    if arguments.json:
        print(json.dumps([asdict(row) for row in shown], indent=1))
    else:
        for row in shown:
            print(line(row))
        used = sum(1 for row in rows if row.used_by)
        handled = sum(1 for row in rows if row.is_handled)
        print(f"{handled} of {len(rows)} endpoints handled; {used} are used by official clients, {len(gaps)} with gaps")
    return int(bool(gaps))


def line(row: Row) -> str:
    """One endpoint: name, users, what becomes of a call."""
    state = "handled" if row.is_handled else "not supported (404/0)"
    if row.missing:
        state += ", but not " + ", ".join(row.missing)
    return f"{row.name:52} {', '.join(row.used_by) or '-':18} {state}"


if __name__ == "__main__":
    sys.exit(main())
