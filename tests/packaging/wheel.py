"""Build sdist and wheel, look inside, and run the tests against the wheel alone, away from the checkout.

Run by `make wheel-test`; what is given on the command line goes to pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"mechopt": "mechopt", "mechopt/models": "models", "mechopt/solvers": "solvers"}  # installed: in the checkout
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME, VERSION = SETTINGS["project"]["name"], SETTINGS["project"]["version"]

# Run inside the temporary directory: every module comes from the wheel, none from the checkout.
WHERE = """
import importlib, pathlib, pkgutil, sys
import mechopt
site = pathlib.Path(sys.argv[1]).resolve()
for found in pkgutil.walk_packages(mechopt.__path__, "mechopt."):
    if not found.name.endswith("__main__"):
        home = pathlib.Path(importlib.import_module(found.name).__file__).resolve()
        assert home.is_relative_to(site), f"{found.name} is imported from {home}"
assert pathlib.Path(mechopt.__file__).resolve().is_relative_to(site), mechopt.__file__
"""


def expected_files() -> set[str]:
    """What the wheel must hold besides its metadata: modules, the catalog, what reports are made of, py.typed."""
    files = {"mechopt/py.typed"}
    for installed, folder in FLOORS.items():
        home = ROOT / folder
        for path in home.rglob("*.py"):
            inside = path.relative_to(home)
            if not (folder == "mechopt" and inside.parts[0] in ("models", "solvers")):  # the two links
                files.add(f"{installed}/{inside.as_posix()}")
    for folder, pattern in (("catalog", "*.toml"), ("reporting/programs", "*.tex"), ("reporting/assets", "*.*")):
        files.update(path.relative_to(ROOT).as_posix() for path in (ROOT / "mechopt" / folder).rglob(pattern))
    return files


def check_wheel(wheel: Path) -> None:
    """The wheel holds the three floors under one name, its metadata, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    tops = {name.split("/")[0] for name in names}
    assert tops == {NAME, f"{NAME}-{VERSION}.dist-info"}, f"the wheel's top level holds {sorted(tops)}"
    held = {name for name in names if name.startswith(f"{NAME}/")}
    assert held == expected_files(), f"missing or too much: {sorted(held ^ expected_files())}"


def check_sdist(sdist: Path) -> None:
    """The sdist holds what is needed to test, measure and cite, file by file."""
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    folders = [ROOT / folder for folder in ("tests", "benchmarks", "examples", "docs")]
    wanted = {path.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("*.py")}
    wanted |= {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt", "CITATION.cff"}
    assert wanted <= held, f"the sdist misses {sorted(wanted - held)}"


def write_settings(path: Path) -> None:
    """The checkout's own pytest settings as an ini file, so that markers and import mode are the same."""
    lines = ["[pytest]"]
    for key, value in SETTINGS["tool"]["pytest"]["ini_options"].items():
        lines.append(f"{key} = " + ("\n    ".join(["", *value]) if isinstance(value, list) else str(value)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def say(message: str) -> None:
    """A line of progress, in order with the output of the commands."""
    print(f"== {message}", flush=True)


def main(arguments: list[str]) -> int:
    """The exit code of pytest; anything that fails before raises."""
    with tempfile.TemporaryDirectory(prefix="mechopt-wheel-") as name:
        temp = Path(name)
        assert not temp.resolve().is_relative_to(ROOT), "the temporary directory lies in the checkout"

        say("building the sdist, and the wheel from the sdist")
        dist, log = temp / "dist", temp / "build.log"
        with log.open("w") as stream:
            build = [sys.executable, "-m", "build", "--outdir", str(dist), str(ROOT)]
            if subprocess.run(build, stdout=stream, stderr=subprocess.STDOUT).returncode:
                print(log.read_text())
                return 1
        (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
        check_wheel(wheel)
        check_sdist(sdist)

        say(f"installing {wheel.name} alone and testing it away from the checkout")
        site = temp / "site"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)]
        subprocess.run(pip, check=True)
        shutil.copytree(ROOT / "tests", temp / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        write_settings(temp / "pytest.ini")
        # PYTHONPATH comes before the editable install, which the environment also has.
        environment = os.environ | {"PYTHONPATH": str(site)}
        subprocess.run([sys.executable, "-c", WHERE, str(site)], cwd=temp, env=environment, check=True)
        pytest = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "-n", "2", "-m", "not long", *arguments]
        return subprocess.run(pytest, cwd=temp, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
