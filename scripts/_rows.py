"""Print the acceptance checklist: each row, and the tests that say they prove it (`@pytest.mark.rows("S3-012")`).

The tests are read, not run or imported: a mark counts where it decorates a test, a class of tests, a parameter
(`marks=`), or a whole module (`pytestmark`).
"""

import argparse
import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent
MOST_A_TEST = 3
"""A test that names more rows than this proves none of them well."""


def main() -> int:
    """Exit code 1 when a test names a row that does not exist, or more than three; with `--missing`, when any lacks."""
    parser = argparse.ArgumentParser(prog="scripts/rows", description=__doc__)
    parser.add_argument("document", nargs="*", help="only rows whose id begins so: S3, S2-G")
    parser.add_argument("--missing", action="store_true", help="only rows without a test")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    checklist = read_checklist()
    proofs = list(marked(PROJECT / "tests"))
    wrong = faults(checklist, proofs)
    chosen = tuple(arguments.document) or ("",)
    rows = {row: sorted(name for name, ids in proofs if row in ids) for row in checklist if row.startswith(chosen)}
    shown = {row: tests for row, tests in rows.items() if not (arguments.missing and tests)}
    if arguments.json:
        print(json.dumps([{"row": row, "promise": checklist[row], "tests": shown[row]} for row in shown], indent=1))
    else:
        for row, tests in shown.items():
            print(f"{row:8} {checklist[row]}")
            for name in tests or ["no test"]:
                print(f"         {'' if tests else '!! '}{name}")
        print(f"{sum(1 for tests in rows.values() if tests)} of {len(rows)} rows have a test that names them")
    for fault in wrong:
        print(fault, file=sys.stderr)
    return int(bool(wrong) or (arguments.missing and bool(shown)))


def read_checklist() -> dict[str, str]:
    """Row -> promise, in the order of the checklist."""
    rows: dict[str, str] = json.loads((PROJECT / "tests/checklist.json").read_text("utf-8"))
    return rows


def faults(checklist: dict[str, str], proofs: list[tuple[str, list[str]]]) -> list[str]:
    """What is wrong with the marks."""
    found = [f"{name}: there is no row {row}" for name, ids in proofs for row in ids if row not in checklist]
    return found + [f"{name} names more than {MOST_A_TEST} rows" for name, ids in proofs if len(ids) > MOST_A_TEST]


def marked(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """`file::test` and the rows it names, for every test that names any."""
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        everywhere = [
            row
            for node in tree.body
            if isinstance(node, ast.Assign)
            and any(isinstance(n, ast.Name) and n.id == "pytestmark" for n in node.targets)
            for row in rows_in(node.value)
        ]
        for name, ids in tests_of(tree, everywhere):
            if ids:
                yield f"{path.relative_to(PROJECT)}::{name}", ids


def tests_of(
    tree: ast.Module | ast.ClassDef, inherited: list[str], prefix: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Every test below a module or class, with the rows of its own marks and of those around it."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            around = inherited + [row for mark in node.decorator_list for row in rows_in(mark)]
            yield from tests_of(node, around, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            own = [row for mark in node.decorator_list for row in rows_in(mark)]
            yield f"{prefix}{node.name}", list(dict.fromkeys(inherited + own))


def rows_in(node: ast.AST) -> Iterator[str]:
    """The ids in every `pytest.mark.rows(...)` below a node; anything but plain texts in it is refused."""
    for call in ast.walk(node):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "rows"):
            continue
        for argument in call.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise SystemExit(f"line {call.lineno}: rows are named by plain texts, not by {ast.unparse(argument)}")
            yield argument.value


if __name__ == "__main__":
    sys.exit(main())
