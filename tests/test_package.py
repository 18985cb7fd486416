"""The package as a program sees it: its names, when they are loaded, and settings of the program left alone."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from importlib.metadata import version

import numpy as np
import pytest

import stegcinn
from fakes import pixels


def test_the_names_are_listed_and_there():
    assert dir(stegcinn) == sorted([*stegcinn.__all__, "__version__"])
    for name in dir(stegcinn):
        assert getattr(stegcinn, name) is not None
    assert stegcinn.__version__ == version("stegcinn")
    assert not any(name.startswith("_") for name in stegcinn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = stegcinn.nothing
    assert {"hide", "reveal", "open_payload", "capacity", "rank", "Container", "Capacity", "Judgement"} <= set(
        stegcinn.__all__
    )


def test_everything_comes_by_a_star():
    names: dict[str, object] = {}
    exec("from stegcinn import *", names)
    assert set(stegcinn.__all__) <= set(names)


def test_what_is_heavy_is_loaded_when_it_is_used():
    script = """
import sys
import stegcinn
dir(stegcinn), stegcinn.UsageError, stegcinn.__version__
assert not {"numpy", "PIL", "onnxruntime", "cryptography"} & set(sys.modules)
stegcinn.hide
assert "numpy" in sys.modules
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning")
def test_threads_leave_the_filters_of_warnings_as_they_were():
    """`warnings.catch_warnings` is not for threads: two that overlap may leave the filters of one of them behind."""
    before, filters = list(warnings.filters), warnings.filters
    done: list[bool] = []

    def work(number: int) -> None:
        for _ in range(2):
            container = stegcinn.hide(pixels(number), b"x" * 50)
            assert stegcinn.capacity(container).bytes > 0
            done.append(stegcinn.reveal(container) == b"x" * 50)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [True] * 8
    assert warnings.filters is filters
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_the_filters_of_warnings_are_never_touched(monkeypatch):
    monkeypatch.setattr(warnings, "catch_warnings", None)
    monkeypatch.setattr(warnings, "simplefilter", None)
    monkeypatch.setattr(warnings, "filterwarnings", None)
    container = stegcinn.hide(pixels(), b"x", password="p")
    assert stegcinn.reveal(container, password="p") == b"x"
    assert stegcinn.capacity(np.asarray(container)).bytes > 0
