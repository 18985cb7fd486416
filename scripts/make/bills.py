"""A software bill of materials for each wheel: what is in it, with digests, and what it asks for.

python scripts/make/bills.py [WHEEL ...] [--out dist]

CycloneDX 1.6 as JSON, beside each wheel under its name with .cdx.json; without WHEEL those in dist, and if there are
none, that of this machine is built first. The components are the released networks, the compiled loops, every other
file, and the packages that pip will be asked for, with the versions that will do: which of them is taken is decided
where the wheel is installed. The same wheel gives the same bill, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tempfile
import uuid
import zipfile
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DIST = Path(__file__).parents[2] / "dist"
SUFFIX = ".cdx.json"

Json = dict[str, Any]


def bill(wheel: Path) -> Json:
    """The bill of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in sorted(archive.namelist()) if not name.endswith("/")}
    (metadata,) = (data.decode() for name, data in contents.items() if name.endswith(".dist-info/METADATA"))
    about = message_from_string(metadata)
    package = f"pkg:pypi/{canonicalize_name(about['Name'])}@{about['Version']}"
    asked = list(_asked(about))
    whole = _sha256(wheel.read_bytes())
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{package}#{whole}')}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": package,
                "name": about["Name"],
                "version": about["Version"],
                "description": about["Summary"],
                "licenses": [{"license": {"id": about["License-Expression"]}}],
                "purl": f"{package}?file_name={wheel.name}",
                "hashes": [{"alg": "SHA-256", "content": whole}],
            }
        },
        "components": [*_networks(contents, about), *_files(contents), *asked],
        "dependencies": [{"ref": package, "dependsOn": [each["bom-ref"] for each in asked]}],
    }


def _networks(contents: dict[str, bytes], about: Message) -> Iterator[Json]:
    """The releases of networks, each by the digest of its list of digests."""
    for name in contents:
        path = PurePosixPath(name)
        if path.match("weights/*/config.json"):
            yield {
                "type": "machine-learning-model",
                "bom-ref": f"weights:{path.parent.name}",
                "name": path.parent.name,
                "licenses": [{"license": {"id": about["License-Expression"]}}],
                "hashes": [{"alg": "SHA-256", "content": _sha256(contents[name])}],
            }


def _files(contents: dict[str, bytes]) -> Iterator[Json]:
    for name, data in contents.items():
        yield {
            "type": "file",
            "bom-ref": f"file:{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": _sha256(data)}],
        }


def _asked(about: Message) -> Iterator[Json]:
    """What pip is asked for, those of extras as optional; a package once, with all that is said of its versions."""
    found: dict[str, tuple[set[str], bool]] = {}
    for line in about.get_all("Requires-Dist") or ():
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        versions, required = found.get(name, (set(), False))
        extra = requirement.marker is not None and re.search(r"\bextra\b", str(requirement.marker))
        found[name] = versions | {str(requirement.specifier) or "any"}, required or not extra
    for name, (versions, required) in sorted(found.items()):
        if name != canonicalize_name(about["Name"]):  # an extra made of others
            yield {
                "type": "library",
                "bom-ref": f"pkg:pypi/{name}",
                "name": name,
                "scope": "required" if required else "optional",
                "purl": f"pkg:pypi/{name}",
                "properties": [{"name": "versions", "value": "; ".join(sorted(versions))}],
            }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(wheel: Path, out: Path) -> Path:
    """Write the bill of a wheel into a folder, and return where."""
    path = out / (wheel.name + SUFFIX)
    path.write_text(json.dumps(bill(wheel), indent=1) + "\n", encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", nargs="*", metavar="WHEEL", type=Path, help="(default: those in dist)")
    parser.add_argument("--out", type=Path, default=DIST, help="where bills are left (default: dist)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        wheels = arguments.wheels or sorted(DIST.glob("*.whl"))
        if not wheels:
            from wheels import build, copy_tree

            tree = copy_tree(Path(temporary) / "tree")
            wheels = [build(tree, arguments.out, None, Path(temporary) / "caches")]
        for wheel in wheels:
            path = write(wheel, arguments.out)
            print(f"{path}: {len(bill(wheel)['components'])} components")


if __name__ == "__main__":
    main()
