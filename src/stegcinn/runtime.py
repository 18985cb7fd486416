"""Released networks on ONNX Runtime: weights are found, checked against their digests, and run; no PyTorch."""

from __future__ import annotations

import hashlib
import json
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from stegcinn.errors import WeightsError

Float32 = npt.NDArray[np.float32]

ERRORS_ONLY = 3  # ONNX Runtime's log level


class Release:
    """One frozen folder of weights: `config.json` names every file with its SHA-256."""

    def __init__(self, folder: Traversable) -> None:
        self.folder = folder
        self._sessions: dict[str, ort.InferenceSession] = {}

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

    def session(self, file: str) -> ort.InferenceSession:
        """A ready session for one ONNX file, loaded once; WeightsError if its bytes are not the released ones."""
        if file not in self._sessions:
            try:
                model = (self.folder / file).read_bytes()
            except OSError as error:
                raise WeightsError(f"weights file {file} cannot be read ({error}); reinstall stegcinn") from None
            if hashlib.sha256(model).hexdigest() != self.config["sha256"].get(file):
                raise WeightsError(f"weights file {self.folder.name}/{file} is damaged; reinstall stegcinn")
            options = ort.SessionOptions()
            options.log_severity_level = ERRORS_ONLY
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it starves a busy machine
            options.enable_cpu_mem_arena = False  # the arena keeps the peak of every shape it has seen
            self._sessions[file] = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return self._sessions[file]

    def run(self, file: str, **inputs: Float32) -> Float32:
        """Run a network with one output; inputs and output (N, C, h, w) float32."""
        (output,) = self.session(file).run(None, inputs)
        result: Float32 = output
        return result


@cache
def release(name: str) -> Release:
    """The weights shipped as `weights/<name>/`."""
    return Release(files("stegcinn") / "weights" / name)
