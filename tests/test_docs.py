"""The reference pages say what the code does."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from stegcinn import errors
from stegcinn.cli import arguments

ROOT = Path(__file__).parents[1]
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_page_of_the_library_is_up_to_date():
    spec = importlib.util.spec_from_file_location("api_page", ROOT / "scripts" / "make" / "api_page.py")
    api_page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(api_page)
    written = api_page.PAGE.read_text(encoding="utf-8")
    assert written == api_page.page() + "\n", "run python scripts/make/api_page.py"


def test_the_page_of_the_command_line_has_every_command_and_option():
    (commands,) = (a for a in arguments.parser()._actions if a.dest == "==SUPPRESS==" and a.choices)
    for name, parser in commands.choices.items():
        section = re.search(rf"^## stegcinn {name}\n(.*?)(?=^## |\Z)", CLI, re.MULTILINE | re.DOTALL)
        assert section, name
        for action in parser._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or f"`{option}" in section[1] or f", {option}" in section[1], option


def test_the_page_of_the_command_line_has_every_exit_code():
    codes = {e.exit_code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.StegcinnError)}
    for code in codes | {0, 130}:
        assert f"\n| {code} | " in CLI


def test_messages_of_the_page_for_trouble_are_ours():
    """Who looks for the line that they see must find it."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    sources = [ROOT / "hatch_build.py", *(ROOT / "src").rglob("*.py")]
    texts = [text for source in sources for text in said(ast.parse(source.read_text(encoding="utf-8")))]
    texts += [script.read_text(encoding="utf-8") for script in (ROOT / "src").rglob("*.js")]
    quoted = re.findall(r"\*\"(.+?)\"\*", page)
    assert len(quoted) > 30
    for message in quoted:
        parts = [part.strip() for part in re.split(r"\.\.\.|NAME|EXTRA", message) if part.strip(" .'[]")]
        assert any(all(part in text for part in parts) for text in texts), message


def said(tree: ast.Module) -> Iterator[str]:
    """Texts of a module, those with gaps for values, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else " " for part in node.values)
