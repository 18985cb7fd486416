"""Write docs/api.md from the docstrings of the public library.

python scripts/make/api_page.py
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
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
    signature = f"{name}{inspect.signature(member)}".replace("'", "")  # type: ignore[arg-type]
    if len(signature) > WIDTH:
        signature = signature.replace("(", "(\n    ", 1).replace(", *, ", ",\n    *, ", 1).replace(") ->", ",\n) ->", 1)
    lines = [f"## {name}\n", f"```python\n{signature}\n```\n", f"{text}\n"]
    if dataclasses.is_dataclass(member):
        lines += [f"- `{field.name}`: `{field.type}`" for field in dataclasses.fields(member)] + [""]
    return "\n".join(lines)


def _error(error: type) -> str:
    base = error.__base__.__name__ if error.__base__ else ""
    code = f", exit code {error.exit_code}" if hasattr(error, "exit_code") else ""
    return f"- **{error.__name__}** ({base}{code}): {' '.join((inspect.getdoc(error) or '').split())}"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    PAGE.write_text(page() + "\n", encoding="utf-8")
