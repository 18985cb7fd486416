"""Completion: a shell that has loaded the script offers what the parser takes."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from stegcinn.cli import completion
from stegcinn.cli.main import main
from stegcinn.codecs import CODECS
from stegcinn.training.cinn.config import PRESETS

BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def bash_script() -> str:
    return completion.script("bash")


def offered(script: str, *words: str) -> set[str]:
    """What bash completes the last word to."""
    ask = """
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _stegcinn; printf '%s\\n' "${COMPREPLY[@]}"
    """
    assert BASH
    done = subprocess.run(
        [BASH, "-uc", script + ask, "bash", "stegcinn", *words], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["re"], {"reveal"}),
        (["--v"], {"--version"}),
        (["hide", "--co"], {"--codec", "--colors"}),
        (["hide", "a.png", "--colors", ""], {"keep", "generate"}),
        (["capacity", "--codec", ""], {"auto", *CODECS}),
        (["reveal", "x"], set()),  # then bash itself completes files
        (["completion", "f"], {"fish"}),
        (["train", "photos", "--preset", ""], set(PRESETS)),
        (["benchmark", "photos", "--preset", ""], {"small", "paper"}),
        (["reveal", "--json", "--password-f"], {"--password-file"}),
    ],
)
def test_bash(bash_script, words, expected):
    assert offered(bash_script, *words) == expected


def test_zsh_runs_the_script_of_bash(bash_script):
    assert completion.script("zsh").endswith(bash_script)
    assert "bashcompinit" in completion.script("zsh")


def test_fish():
    lines = completion.script("fish").splitlines()
    assert any("seen_subcommand_from hide" in line and "-l colors -x -a 'keep generate'" in line for line in lines)
    assert any("seen_subcommand_from reveal" in line and "-s o -l output -r" in line for line in lines)
    assert any("-a reveal -d 'reveal the file hidden in an image'" in line for line in lines)
    assert all(line.count("'") % 2 == 0 or "\\'" in line for line in lines)
    if fish := shutil.which("fish"):
        subprocess.run([fish, "--no-execute"], input="\n".join(lines), text=True, check=True)


def test_the_command_prints_it(capsys, bash_script):
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == bash_script
    assert main(["completion", "cmd"]) == 2
