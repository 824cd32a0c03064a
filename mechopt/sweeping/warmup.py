"""Imported once by the server that local workers are forked from, so that a new worker starts at once."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # the jobs are what runs in parallel
    os.environ.setdefault(_name, "1")

import mechopt.solvers.highs  # noqa: E402
import mechopt.sweeping.worker  # noqa: E402, F401
