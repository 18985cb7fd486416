"""Write docs/api.md from the docstrings of the public library.

python scripts/make/api_page.py
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
from functools import cached_property
from pathlib import Path

import stegcinn

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
HEAD = """# The library

Made from the docstrings by `python scripts/make/api_page.py`. Everything here is imported from `stegcinn`.
"""
WIDTH = 100  # of a signature, before it is broken


def page() -> str:
    """The whole page."""
    members = {name: getattr(stegcinn, name) for name in stegcinn.__all__}
    functions = [name for name, member in members.items() if inspect.isfunction(member)]
    errors = [name for name, m in members.items() if inspect.isclass(m) and issubclass(m, (Exception, Warning))]
    rest = [name for name in members if name not in (*functions, *errors)]
    order = [name for name in ("hide", "reveal", "capacity") if name in functions]
    order += [name for name in functions if name not in order] + rest
    parts = [HEAD, *(_section(name, members[name]) for name in order), "## Errors\n"]
    parts.append(
        "Every error that is raised on purpose is a `StegcinnError`; `exit_code` is the command line's for it.\n"
    )
    parts += [_error(members[name]) for name in sorted(errors, key=lambda name: len(members[name].__mro__))]
    return "\n".join(parts)


def _section(name: str, member: object) -> str:
    text = inspect.getdoc(member) or ""
    lines = [f"## {name}\n", f"```python\n{_signature(name, member)}\n```\n", f"{text}\n"]
    if dataclasses.is_dataclass(member):
        lines += [f"- `{field.name}`: `{field.type}`" for field in dataclasses.fields(member)]
        lines += [_method(key, value) for key, value in vars(member).items() if not key.startswith("_")]
        lines.append("")
    return "\n".join(line for line in lines if line is not None)


def _method(name: str, member: object) -> str | None:
    """A line for a method or a property; None for anything else."""
    if isinstance(member, (property, cached_property)):
        return f"- `{name}`: {_summary(member)}"
    if inspect.isfunction(member):
        return (
            f"- `{_signature(name, member).replace('(self, ', '(', 1).replace('(self)', '()', 1)}`: {_summary(member)}"
        )
    return None


def _summary(member: object) -> str:
    return " ".join((inspect.getdoc(member) or "").split())


def _signature(name: str, member: object) -> str:
    """On one line if it is short, else a parameter on each."""
    signature = inspect.signature(member)  # type: ignore[arg-type]
    text = f"{name}{signature}".replace("'", "")
    if len(text) <= WIDTH:
        return text
    parameters = [str(each).replace("'", "") for each in signature.parameters.values()]
    kinds = [each.kind for each in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    listed = "".join(f"    {parameter},\n" for parameter in parameters)
    return f"{name}(\n{listed}) -> {signature.return_annotation}".replace("'", "")


def _error(error: type) -> str:
    base = error.__base__.__name__ if error.__base__ else ""
    code = f", exit code {error.exit_code}" if hasattr(error, "exit_code") else ""
    return f"- **{error.__name__}** ({base}{code}): {_summary(error)}"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    PAGE.write_text(page() + "\n", encoding="utf-8")
