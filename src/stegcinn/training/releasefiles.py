"""The files of a release folder that both kinds of networks have: weights for training on, and `config.json`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn


def write_weights(model: nn.Module, path: Path) -> None:
    """Write the weights for PyTorch."""
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    path.chmod(0o644)  # safetensors makes it private


def write_config(folder: Path, names: list[str], facts: dict[str, Any]) -> None:
    """Write `config.json`: facts, and the SHA-256 of the release's files called `names`."""
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "config.json").write_text(json.dumps({**facts, "sha256": digests}, indent=2) + "\n")
