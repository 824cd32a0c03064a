"""Every example in a docstring runs, module by module.

Not pytest's own --doctest-modules: that would import the folders models/ and solvers/ under names they refuse, and
could not run against an installed wheel.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import mechopt

MODULES = ["mechopt", *(found.name for found in pkgutil.walk_packages(mechopt.__path__, "mechopt."))]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    found = doctest.DocTestFinder(exclude_empty=True).find(module)
    # A decorator that loses a docstring would lose its examples without a word.
    written = sum(line.lstrip().startswith(">>> ") for line in inspect.getsource(module).splitlines())
    assert sum(len(test.examples) for test in found) == written
    runner = doctest.DocTestRunner(verbose=False)
    report: list[str] = []
    for test in found:
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_all_three_floors_are_walked() -> None:
    assert {"mechopt.solvers.program", "mechopt.models.inputs", "mechopt.cli"} <= set(MODULES)
