"""The codec `cinn`: the paper's, bits as signs of latents that an invertible network turns into colours."""

from __future__ import annotations

from stegcinn.codecs.cinn.codec import CinnCodec
from stegcinn.runtime.weights import Release, release


def load() -> CinnCodec:
    """Over the newest release of weights; containers of the older one are revealed as well."""
    return CinnCodec(release("cinn-2"), release("cinn-1"))


def over(release: Release) -> CinnCodec:
    """Over another release."""
    return CinnCodec(release)
