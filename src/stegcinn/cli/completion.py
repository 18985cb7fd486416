"""Scripts that make shells complete commands, options and their values, made from the parser itself."""

from __future__ import annotations

import argparse

from stegcinn.cli import arguments
from stegcinn.codecs import CODECS
from stegcinn.training.cinn.config import PRESETS

Options = list[argparse.Action]


def script(shell: str) -> str:
    """The script for "bash", "zsh" (which runs bash's) or "fish"."""
    commands = _commands()
    if shell == "fish":
        return _fish(commands)
    start = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n" if shell == "zsh" else ""
    return start + _bash(commands)


def _commands() -> dict[str, tuple[str, Options]]:
    """Per command what it does, and its options and arguments."""
    (action,) = (a for a in arguments.parser()._actions if isinstance(a, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
    # a command of two words is completed by the first
    return {name: (helps[name], parser._actions) for name, parser in action.choices.items() if " " not in name}


def _values(action: argparse.Action) -> list[str]:
    """What may stand for a value; nothing if it is free, or a file."""
    if action.dest == "codec":
        return ["auto", *CODECS]
    if "--for" in action.option_strings:
        from stegcinn.codecs.robust.channels import channels

        return [channel.name for channel in channels()]
    if action.dest == "preset" and not action.choices:
        return list(PRESETS)
    return [str(choice) for choice in action.choices or ()]


def _bash(commands: dict[str, tuple[str, Options]]) -> str:
    cases = [f"1/*) words='{' '.join(commands)} --help --version' ;;"]
    for name, (_, actions) in commands.items():
        values = {"|".join(a.option_strings): _values(a) for a in actions if a.option_strings and _values(a)}
        inner = [f"{options}) words='{' '.join(words)}' ;;" for options, words in values.items()]
        free = " ".join(word for a in actions if not a.option_strings for word in _values(a))
        options = " ".join(option for a in actions for option in a.option_strings)
        inner.append(f"*) words='{free}'; [[ $current == -* ]] && words='{options}' ;;")
        cases.append(f"*/{name})\n            case $previous in\n                ")
        cases[-1] += "\n                ".join(inner) + "\n            esac ;;"
    body = "\n        ".join(cases)
    return f"""# completion of stegcinn for bash
_stegcinn() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=
    case $COMP_CWORD/${{COMP_WORDS[1]}} in
        {body}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _stegcinn stegcinn
"""


def _fish(commands: dict[str, tuple[str, Options]]) -> str:
    lines = ["# completion of stegcinn for fish", "complete -c stegcinn -n __fish_use_subcommand -l version -f"]
    for name, (what, actions) in commands.items():
        lines.append(f"complete -c stegcinn -n __fish_use_subcommand -f -a {name} -d {_quoted(what)}")
        for action in actions:
            line = f"complete -c stegcinn -n '__fish_seen_subcommand_from {name}'"
            for option in action.option_strings:
                line += f" -l {option[2:]}" if option.startswith("--") else f" -s {option[1:]}"
            words = _values(action)
            if words:
                line += f" -x -a {_quoted(' '.join(words))}"
            elif action.option_strings and action.nargs != 0:
                line += " -r"
            elif not action.option_strings:
                continue  # a file, which fish completes by itself
            lines.append(f"{line} -d {_quoted(action.help or '')}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
