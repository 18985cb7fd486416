"""Faults around the command line, by a short run of scripts/stress/faults.py: nothing partial, nothing damaged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "stress" / "faults.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs fork, and limits as Linux has them")
def test_faults_leave_nothing_partial_and_nothing_damaged():
    done = subprocess.run([sys.executable, SCRIPT, "--kills", "2"], capture_output=True, text=True, timeout=900)
    assert (done.returncode, done.stderr) == (0, "")
    counts = dict(re.findall(r"^(\S.*?)  +runs (\d+), .*violations 0", done.stdout, re.MULTILINE))
    for fault in ("killed while writing", "killed hide", "killed reveal", "file size limit", "two writers"):
        assert int(counts[fault]) > 0
    assert all("violations 0" in line or "skipped: " in line for line in done.stdout.splitlines())
