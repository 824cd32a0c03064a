"""The documentation is true: its Python runs and prints what it says, its commands too, its links lead somewhere.

In python blocks, lines that begin with `#> ` are the output of the block. In console blocks, lines that begin
with `$ ` are commands and the others their output, `...` standing for lines left out. Numbers are compared to
six digits.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
    if path.exists()
]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")

pytestmark = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="the wheel has no documentation")


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Fenced blocks of a language, each with the line it begins on."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start(1)].count("\n") + 1, match[1]) for match in found]


def alike(found: str, expected: str) -> bool:
    """Whether two lines are the same up to the seventh digit of their numbers."""
    if NUMBER.sub("0", found) != NUMBER.sub("0", expected):
        return False
    pairs = zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True)
    return all(
        float(a.replace(",", "")) == pytest.approx(float(b.replace(",", "")), rel=1e-6, abs=1e-9) for a, b in pairs
    )


def missing(found: list[str], expected: list[str]) -> str | None:
    """The first expected line that is not where it should be; `...` skips any number of lines."""
    position, free = 0, False
    for line in expected:
        if line.strip() == "...":
            free = True
            continue
        while free and position < len(found) and not alike(found[position], line):
            position += 1
        if position == len(found) or not alike(found[position], line):
            return line
        position, free = position + 1, False
    return None if free or position == len(found) else f"nothing more, but there is {found[position]!r}"


def test_the_comparison_compares() -> None:
    assert missing(["a 1.0000000001", "b", "c"], ["a 1", "...", "c"]) is None
    assert missing(["a 1.001", "b"], ["a 1", "b"]) == "a 1"
    assert missing(["a", "b"], ["a"]) == "nothing more, but there is 'b'"
    assert missing(["a"], ["a", "b"]) == "b"
    assert missing(["x 1,234"], ["x 1,235"]) == "x 1,235"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_python_blocks_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for line, code in blocks(page, "python"):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
        expected = [row.removeprefix("#> ") for row in code.splitlines() if row.startswith("#> ")]
        wrong = missing(out.getvalue().splitlines(), expected)
        assert wrong is None, f"{page.name}, block at line {line}: expected {wrong}, got\n{out.getvalue()}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    for line, block in blocks(page, "console"):
        code = 0
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *expected = part.splitlines()
            if command == "echo $?":
                found = [str(code)]
            else:
                program, *arguments = shlex.split(command)
                assert program == "mechopt"
                run = [sys.executable, "-m", "mechopt", *arguments]
                done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=240)
                code, found = done.returncode, (done.stdout + done.stderr).splitlines()
            wrong = missing(found, expected)
            assert wrong is None, f"{page.name}, line {line}, {command}: expected {wrong}, got\n" + "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_named_path_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"`((?:solvers|models|mechopt|tests|examples|benchmarks|docs)/[\w/-]+\.\w+)`", text):
        assert "NAME" in target or (ROOT / target).exists(), f"{page.name} names {target}"


def test_the_first_result_stands_in_the_first_ten_lines() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:10]
    assert any(line.startswith("#> ") for line in first)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(script: Path, tmp_path: Path) -> None:
    run = [sys.executable, str(script)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert len(script.read_text(encoding="utf-8").splitlines()) < 60
