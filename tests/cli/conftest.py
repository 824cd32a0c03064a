"""Runs the command with its own streams and exit code: `run` in this process, `spawn` as a user does."""

import io
import re
import subprocess
import sys

import pytest

from mechopt.cli import main

LINE = re.compile(r"^error: .+: expected .+, got .+$")


class Done:
    """What a run printed."""

    def __init__(self, stdout, stderr):
        self.stdout, self.stderr = stdout, stderr


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, text=None, code=0):
        monkeypatch.setattr(sys, "argv", ["mechopt", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(text or ""))
        capfd.readouterr()
        try:
            main()
            found = 0
        except SystemExit as stop:
            found = stop.code or 0
        done = Done(*capfd.readouterr())
        assert found == code, (found, done.stdout[-800:], done.stderr[-800:])
        return done

    return call


@pytest.fixture
def refuses(run):
    """A wrong instance: exit code 2, nothing on stdout, one well-formed line per problem, one of them on the field."""

    def call(text, field, hint):
        done = run("solve", "-", "--json", text=text, code=2)
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert lines
        assert all(LINE.match(line) for line in lines), lines
        assert any(line.startswith(f"error: {field}: ") for line in lines), lines
        assert hint in done.stderr

    return call


@pytest.fixture
def spawn(tmp_path):
    def call(*arguments, text=None, code=0):
        command = [sys.executable, "-m", "mechopt", *map(str, arguments)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=tmp_path, timeout=240)
        assert done.returncode == code, (done.returncode, done.stdout[-800:], done.stderr[-800:])
        return done

    return call
