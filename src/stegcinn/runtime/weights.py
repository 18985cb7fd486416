"""Released networks on ONNX Runtime: weights are found, checked against their digests, and run; no PyTorch."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

# Official builds from 1.29 on tell their makers of every start and session, and keep what they tell in the user's
# home. What is asked for once they are loaded comes too late for the first reports.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

from stegcinn.errors import WeightsError

ort.disable_telemetry_events()  # those of Windows builds, which know no such variable

Scalar = TypeVar("Scalar", bound=np.generic)

ERRORS_ONLY = 3  # ONNX Runtime's log level


class Release:
    """One frozen folder of weights: `config.json` names every file with its SHA-256."""

    def __init__(self, folder: Traversable) -> None:
        self.folder = folder
        self._lock = Lock()
        self._sessions: dict[tuple[str, int], ort.InferenceSession] = {}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The release's configuration; WeightsError if it is missing or unreadable."""
        try:
            config: dict[str, Any] = json.loads((self.folder / "config.json").read_bytes())
            if not isinstance(config["sha256"], dict):
                raise ValueError("sha256 is not a table")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"weights {self.folder.name!r} cannot be read ({error}); reinstall stegcinn") from None
        return config

    def read(self, file: str) -> bytes:
        """The bytes of a file; WeightsError if they are not the released ones."""
        try:
            data = (self.folder / file).read_bytes()
        except OSError as error:
            raise WeightsError(f"weights file {file} cannot be read ({error}); reinstall stegcinn") from None
        if hashlib.sha256(data).hexdigest() != self.config["sha256"].get(file):
            raise WeightsError(f"weights file {self.folder.name}/{file} is damaged; reinstall stegcinn")
        return data

    def array(self, file: str) -> npt.NDArray[Any]:
        """A table stored as .npy."""
        table: npt.NDArray[Any] = np.load(BytesIO(self.read(file)), allow_pickle=False)
        return table

    def session(self, file: str, threads: int = 0) -> ort.InferenceSession:
        """A ready session for one ONNX file, loaded once; `threads` 0 uses all cores."""
        with self._lock:
            if (file, threads) not in self._sessions:
                options = ort.SessionOptions()
                options.log_severity_level = ERRORS_ONLY
                options.intra_op_num_threads = threads
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it starves a busy machine
                options.enable_cpu_mem_arena = False  # the arena keeps the peak of every shape it has seen
                session = ort.InferenceSession(self.read(file), options, providers=["CPUExecutionProvider"])
                self._sessions[file, threads] = session
            return self._sessions[file, threads]

    def run(self, file: str, *, threads: int = 0, **inputs: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Run a network with one output of the inputs' type."""
        (output,) = self.session(file, threads).run(None, inputs)
        result: npt.NDArray[Scalar] = output
        return result


@cache
def release(name: str) -> Release:
    """The weights shipped as `weights/<name>/`."""
    return Release(files("stegcinn") / "weights" / name)
