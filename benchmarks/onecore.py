"""Keep the process, and every process it starts, on one core. Imported before NumPy, which counts the cores then."""

from __future__ import annotations

import contextlib
import os

CORE: int | None = None
if hasattr(os, "sched_setaffinity"):
    with contextlib.suppress(OSError):
        CORE = max(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {CORE})
