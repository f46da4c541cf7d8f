"""Shared by all tests: one thread a process, so that results are the same on every machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
