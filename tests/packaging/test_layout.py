"""The layout holds: imports go down, packages equal folders, nothing heavy loads, one version everywhere."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mechopt

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"mechopt.solvers": "solvers", "mechopt.models": "models", "mechopt": "mechopt"}  # lowest first
LINKS = {ROOT / "mechopt" / "models", ROOT / "mechopt" / "solvers"}

checkout = pytest.mark.skipif(
    not (ROOT / "mechopt" / "__init__.py").exists(), reason="runs against an installed wheel, away from the checkout"
)


def sources(floor: str) -> list[Path]:
    """The modules of a floor by their real paths, so not through the two links."""
    home = ROOT / FLOORS[floor]
    return sorted(path for path in home.rglob("*.py") if not LINKS.intersection(path.parents))


def package_of(path: Path, floor: str) -> str:
    """The installed name of the package a module of `floor` is in."""
    return ".".join([floor, *path.relative_to(ROOT / FLOORS[floor]).parent.parts])


def floor_of(module: str) -> int | None:
    """0 for solvers, 1 for models, 2 for the roof, None for other people's modules and for names there must not be."""
    for level, floor in enumerate(FLOORS):
        if module == floor or module.startswith(floor + "."):
            return level
    return None


def imports(code: str, package: str) -> set[str]:
    """Absolute names of the modules `code`, in `package`, imports anywhere; type-checking imports count."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from mechopt import models` names a floor by its last word; other names are attributes of the base.
            inner = {f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in FLOORS}
            found |= inner if len(inner) == len(node.names) else inner | {base}
    return found


def upward(code: str, package: str, floor: str) -> list[str]:
    """Imports that go up from `floor`, or that name a floor's folder instead of its package."""
    level = list(FLOORS).index(floor)
    folders = ("models", "solvers", "tests", "benchmarks", "examples")
    return sorted(
        name
        for name in imports(code, package)
        if name.split(".")[0] in folders or ((to := floor_of(name)) is not None and to > level)
    )


@checkout
@pytest.mark.parametrize("floor", FLOORS)
def test_imports_only_go_down(floor: str) -> None:
    assert sources(floor)
    for path in sources(floor):
        wrong = upward(path.read_text(encoding="utf-8"), package_of(path, floor), floor)
        assert not wrong, f"{path.relative_to(ROOT)} of {floor} imports {wrong}"


@pytest.mark.parametrize(
    ("code", "floor", "wrong"),
    [
        ("import mechopt", "mechopt.models", ["mechopt"]),
        ("def f():\n    from mechopt.result import Result", "mechopt.models", ["mechopt.result"]),
        ("from mechopt import models, solve", "mechopt.solvers", ["mechopt", "mechopt.models"]),
        ("from ..models import inputs", "mechopt.solvers", ["mechopt.models"]),
        ("from .. import registry", "mechopt.models", ["mechopt"]),
        ("import models.inputs", "mechopt", ["models.inputs"]),
        ("from mechopt import solvers\nfrom . import inputs\nimport numpy", "mechopt.models", []),
        ("from mechopt.models.inputs import fail", "mechopt", []),
    ],
)
def test_the_arrow_test_sees_every_way_up(code: str, floor: str, wrong: list[str]) -> None:
    assert upward(code, floor, floor) == wrong


@checkout
def test_packages_are_the_folders() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {package_of(path, floor): path.parent for floor in FLOORS for path in sources(floor)}
    assert sorted(settings["packages"]) == sorted(folders)
    # A subpackage follows its parent's mapping, so only the floors themselves need one.
    assert settings["package-dir"] == FLOORS
    homeless = [folder for folder in folders.values() if not (folder / "__init__.py").exists()]
    assert not homeless, f"modules in folders without __init__.py: {homeless}"


@checkout
@pytest.mark.parametrize("name", ["models", "solvers"])
def test_the_links_are_relative_and_the_bare_name_refuses(name: str) -> None:
    link = ROOT / "mechopt" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    run = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    assert f"ImportError: import this package as mechopt.{name}, not as {name}" in run.stderr


def loaded_by(*arguments: str) -> set[str]:
    """The top-level modules in memory after the command `mechopt ARGUMENTS`, run in a process of its own."""
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: sys.stderr.write('\\n' + json.dumps(sorted(sys.modules))))\n"
        f"sys.argv = ['mechopt', *{list(arguments)!r}]\n"
        "from mechopt.cli import main\n"
        "main()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {name.split(".")[0] for name in json.loads(run.stderr.splitlines()[-1])}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["solve", "--help"], ["list"]])
def test_help_is_light(arguments: list[str]) -> None:
    loaded = loaded_by(*arguments)
    assert "typer" in loaded
    heavy = loaded & {"cvxpy", "scipy", "highspy", "matplotlib", "xarray", "pandas"}
    assert not heavy


def test_verification_needs_no_solver(tmp_path: Path) -> None:
    mechopt.solve(mechopt.RegretPricing(upper=[1], points=4)).save(tmp_path / "result")
    loaded = loaded_by("verify", str(tmp_path / "result"))
    assert "flint" in loaded
    heavy = loaded & {"cvxpy", "highspy", "matplotlib"}
    assert not heavy


def test_every_public_name_loads() -> None:
    for name in mechopt.__all__:
        assert getattr(mechopt, name) is not None
    assert len(set(mechopt.__all__)) == len(mechopt.__all__)
    assert set(mechopt.__all__) <= set(dir(mechopt))


@checkout
def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    found = re.search(r"^version: (\S+)$", citation, re.MULTILINE)
    assert found
    assert mechopt.__version__ == project["version"] == found[1]


@checkout
def test_every_dependency_is_pinned() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = settings["dependencies"] + settings["optional-dependencies"]["test"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)

    def plain(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    pinned = {plain(pin.partition("==")[0]) for pin in pins}
    assert {plain(re.match(r"[\w.-]+", want)[0]) for want in wanted} <= pinned
