"""Fixtures that several files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from stegcinn.codecs import load_codec

if TYPE_CHECKING:
    from stegcinn.codecs.cinn.codec import CinnCodec
    from stegcinn.codecs.exact.codec import ExactCodec
    from stegcinn.codecs.stealth.codec import StealthCodec

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # for the tests that load ONNX Runtime themselves


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: with more, sums of gradients depend on the order in which threads finish."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def stealth() -> StealthCodec:
    """The codec over its released weights."""
    return load_codec("stealth")


@pytest.fixture(scope="session")
def exact() -> ExactCodec:
    """The codec over its released weights."""
    return load_codec("exact")


@pytest.fixture(scope="session")
def cinn() -> CinnCodec:
    """The codec over its released weights."""
    return load_codec("cinn")
