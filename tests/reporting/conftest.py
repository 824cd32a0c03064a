"""The fixture that runs the command in this process, as the tests of the command line do."""

import importlib.util
from pathlib import Path

_path = Path(__file__).resolve().parents[1] / "cli" / "conftest.py"
_spec = importlib.util.spec_from_file_location("cli_conftest", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
run = _module.run
