"""docs/theorems.md: every numbered result of the five sources, the check that holds it, or its correction.

The list is `results.toml` beside this file. `python tests/reference/test_theorems.py --write` writes the page anew.

A result is an entry `[[KEY]]` of its source: `number`, what it `says`, `verdict` ("holds", "corrected", "definition",
"not checked"), `how` (exact, or the tolerance), `checks` (tests, without parameters), `where` (a definition's file),
`reason` (why it is not checked); `[[KEY.errata]]`, any number: `about`, `printed`, `correct`, `example`, `checks`; and
`[[KEY.limits]]`, what a result does not say: `stated`, `but`, `example`, `checks`.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "theorems.md"
DATA = tomllib.loads((HERE / "results.toml").read_text(encoding="utf-8"))
SOURCES = DATA["sources"]
RESULTS = [(key, entry) for key in SOURCES for entry in DATA.get(key, [])]
REMARKS = {
    kind: [(key, entry, remark) for key, entry in RESULTS for remark in entry.get(kind, [])]
    for kind in ("errata", "limits")
}
VERDICTS = {"holds", "corrected", "definition", "not checked"}
FIELDS = {"number", "says", "verdict", "how", "checks", "where", "reason", "errata", "limits"}

INTRODUCTION = """\
# The theorems, one by one

Every numbered result of the five sources, what it says, and the tests that hold it. The tests write this page
(`python tests/reference/test_theorems.py --write`) and fail when it, or a test it names, is out of date. A test is
named by its file and its name in words: "one period by hand" is the function `test_one_period_by_hand`.

Verdicts: *holds*, checked as stated; *corrected*, false as printed, the corrected statement is checked and so is the
counterexample; *definition*, with the file that implements it, if one does, and a test that uses it; *not checked*,
with the reason. *With errata* means that a proof or a formula beside the result is wrong, not the result. What is wrong
in the sources stands at the end, and what their results do not say. A statement about all instances is tried on
many, which is no proof.

The last column says how closely: *exact* means in rational arithmetic, or a decision without a tolerance; a number is
the tolerance of the comparison that decides, relative where it is a percentage. Checks named beside it may be coarser,
such as simulations.
"""


SECTIONS = {
    "errata": (
        "Where the sources are wrong",
        "As printed, as it is right, and an example that tells them apart.",
        ("printed", "correct"),
    ),
    "limits": (
        "Where results end",
        "Right as stated, and easily taken for more: what is stated, what is not, and an example.",
        ("stated", "but"),
    ),
}


@cache
def names_in(path: str) -> set[str]:
    """Names of the test functions of a module that run every time, by reading it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))
    return {node.name for node in found if "pytest.mark.long" not in map(ast.unparse, node.decorator_list)}


def escaped(text: str) -> str:
    """Text as Markdown shows it unchanged in a table cell, code between backticks as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*_<>\[\]$|])", r"\\\1", p) for p in parts)


def listed(checks: list[str]) -> str:
    """Checks as they stand in a cell: names as sentences, by file."""
    files: dict[str, list[str]] = {}
    for path, _, name in (check.partition("::") for check in checks):
        files.setdefault(path, []).append(name.removeprefix("test_").replace("_", " "))
    return "; ".join(f"{', '.join(names)} ([{Path(path).stem}](../{path}))" for path, names in files.items())


def row(entry: dict) -> str:
    """A result as a line of its source's table."""
    held = [f"in [{entry['where']}](../{entry['where']})"] if "where" in entry else []
    held += [listed(entry["checks"])] if entry.get("checks") else []
    held += [entry["reason"]] if "reason" in entry else []
    verdict = entry["verdict"]
    if verdict == "corrected":
        verdict = "[corrected](#where-the-sources-are-wrong)"
    elif entry.get("errata"):
        verdict += ", [with errata](#where-the-sources-are-wrong)"
    if entry.get("limits"):
        verdict += ", [within limits](#where-results-end)"
    return f"| {entry['number']} | {escaped(entry['says'])} | {verdict} | {'; '.join(held)} | {entry.get('how', '')} |"


def rendered() -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for key, source in SOURCES.items():
        lines += [f"## {source['title']}", "", escaped(source["citation"]), ""]
        lines += ["| result | what it says | verdict | held by | how closely |", "|---|---|---|---|---|"]
        lines += [row(entry) for entry in DATA.get(key, [])] + [""]
    for kind, (title, text, fields) in SECTIONS.items():
        lines += [f"## {title}", "", text, ""]
        for key, source in SOURCES.items():
            found = [(entry, remark) for name, entry, remark in REMARKS[kind] if name == key]
            lines += [f"### {kind.capitalize()} of {source['short']}", ""] if found else []
            for entry, remark in found:
                about = ", ".join([entry["number"], *([remark["about"]] if "about" in remark else [])])
                lines += [f"**{escaped(about)}.**"]
                lines += [f"{name.capitalize()}: {escaped(remark[name])}." for name in (*fields, "example")]
                lines += [f"Checked by {listed(remark['checks'])}.", ""]
    return "\n".join(lines).rstrip() + "\n"


@pytest.mark.parametrize("key", SOURCES)
def test_every_numbered_result_is_listed_once(key: str) -> None:
    numbers = [entry["number"] for entry in DATA.get(key, [])]
    assert numbers == SOURCES[key]["results"]
    assert len(set(numbers)) == len(numbers)


def test_every_named_check_exists() -> None:
    named = {check for _, entry in RESULTS for check in entry.get("checks", [])}
    named |= {check for found in REMARKS.values() for _, _, remark in found for check in remark["checks"]}
    missing = []
    for check in sorted(named):
        path, _, name = check.partition("::")
        if not (ROOT / path).is_file() or name not in names_in(path):
            missing.append(check)
    assert not missing, "no such tests, or run by `make test-long` only:\n" + "\n".join(missing)


def test_entries_are_complete() -> None:
    for key, entry in RESULTS:
        name = f"{key}, {entry['number']}"
        assert set(entry) <= FIELDS, name
        assert entry["verdict"] in VERDICTS, name
        if entry["verdict"] == "not checked":
            assert entry["reason"], name
            assert not entry.get("checks"), name
        else:
            assert entry["checks"], name
            assert re.fullmatch(r"exact|\d(\.\d+)?e-\d+|\d %", entry["how"]), name
        assert ("errata" in entry) >= (entry["verdict"] == "corrected"), name
        assert (entry["verdict"] == "definition") >= ("where" in entry), name
    for kind, found in REMARKS.items():
        for key, entry, remark in found:
            assert remark.keys() - {"about"} == {*SECTIONS[kind][2], "example", "checks"}, f"{key}, {entry['number']}"
            assert remark["checks"], f"{key}, {entry['number']}"


@pytest.mark.skipif(not PAGE.parent.exists(), reason="the wheel has no documentation")
def test_the_page_is_what_the_list_says() -> None:
    hint = "run python tests/reference/test_theorems.py --write"
    assert PAGE.read_text(encoding="utf-8") == rendered(), hint
    for _, entry in RESULTS:
        assert "where" not in entry or (ROOT / entry["where"]).exists(), entry["number"]


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    PAGE.write_text(rendered(), encoding="utf-8")
