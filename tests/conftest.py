"""Fixtures that several files share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # for the tests that load ONNX Runtime themselves


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: with more, sums of gradients depend on the order in which threads finish."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
