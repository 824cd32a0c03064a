"""Small sweeps, run in this process's children or by the command, and the cheapest instances there are."""

import subprocess
import sys

import pytest


@pytest.fixture
def sweep_file(tmp_path):
    """Writes a sweep of quick instances: `count` prices of one good."""

    def write(count=6, name="quick", more="", axes=None, path="sweep.toml"):
        axes = axes or f'"parameters.upper.0" = {{ from = 1, to = 2, count = {count} }}'
        text = (
            f'name = "{name}"\n{more}\n[base]\nmodel = "regret-pricing"\n[base.parameters]\nupper = [1]\npoints = 4\n'
            f"[axes]\n{axes}\n"
        )
        file = tmp_path / path
        file.write_text(text)
        return file

    return write


@pytest.fixture
def command(tmp_path):
    """The command in a process of its own, still running."""
    started = []

    def start(*arguments, **options):
        made = subprocess.Popen(
            [sys.executable, "-m", "mechopt", *map(str, arguments)], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip
        started.append(made)
        return made

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
