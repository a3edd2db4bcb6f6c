"""``humorscope completion bash|zsh``: print a script that completes sub-commands, flags and their choices in a shell.

The script is made from the parsers and needs no Python when a key is pressed. It is loaded by
``source <(humorscope completion bash)`` in ``~/.bashrc``, or with ``zsh`` in ``~/.zshrc`` after ``compinit``.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence

from optim.common.exit_status import with_exit_status
from optim.config import flags as fit_flags
from viewer.commands.entry.subcommands import FIT, SUBCOMMANDS

BASH = r"""# Completion of humorscope for bash. Load it with: source <(humorscope completion bash)
_humorscope_words() {
@CASES@
}
_humorscope() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} name=${COMP_WORDS[1]} words=
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    [[ $COMP_CWORD -gt 1 ]] || name=
    words=$(_humorscope_words "$name" "$before" "$word")
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _humorscope humorscope
"""
ZSH = r"""#compdef humorscope
# Completion of humorscope for zsh. Load it with: source <(humorscope completion zsh), after compinit.
_humorscope_words() {
@CASES@
}
_humorscope() {
    local name=${words[2]} before=${words[CURRENT-1]} word=${words[CURRENT]}
    local -a found
    (( CURRENT > 2 )) || name=
    found=(${(f)"$(_humorscope_words "$name" "$before" "$word" | tr ' ' '\n')"})
    if (( $#found )); then
        compadd -- $found
    else
        _files
    fi
}
compdef _humorscope humorscope
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH}


def script(shell: str) -> str:
    """The completion of a shell, ``bash`` or ``zsh``."""
    return SCRIPTS[shell].replace("@CASES@", "\n".join(_cases()))


def _cases() -> Iterator[str]:
    """Lines of a function of (sub-command, word before, word) that prints what the word can be; nothing means files.

    The patterns of ``case`` are those of every shell.
    """
    names = [row.name for row in SUBCOMMANDS]
    parsers = {row.name: row.parser() for row in SUBCOMMANDS if row.module != FIT}
    with_both = {row.name for row in SUBCOMMANDS if row.with_fit_flags}
    general = fit_flags.build_parser()
    yield '    case "$1 $2" in'
    for name, parser in parsers.items():
        yield from _choices(f"{name} ", parser)
    yield from _choices("*", general)
    yield "    esac"
    yield '    case "$1 $3" in'
    for name, parser in parsers.items():
        flags = _flags(parser) + (_flags(general) if name in with_both else [])
        yield _case(f"{shlex.quote(name)}\\ -*", list(dict.fromkeys(flags)))
        if first := _first_words(parser):
            yield _case(f"{shlex.quote(name)}\\ *", first)
    yield _case("*\\ -*", _flags(general))
    yield _case("\\ *", names)
    yield "    esac"


def _choices(start: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Cases after flags that take one of a few values, or any value: the names of files are then completed."""
    before = "*" if start == "*" else start.replace(" ", "\\ ")
    for action in _shown(parser):
        if not action.option_strings or action.nargs == 0:
            continue
        pattern = "|".join(f"{before}{'' if start != '*' else chr(92) + ' '}{flag}" for flag in action.option_strings)
        yield _case(pattern, [str(choice) for choice in action.choices or ()])


def _case(pattern: str, words: Sequence[str]) -> str:
    told = f"echo {shlex.quote(' '.join(words))}; " if words else ""
    return f"        {pattern}) {told}return ;;"


def _flags(parser: argparse.ArgumentParser) -> list[str]:
    return [flag for action in _shown(parser) for flag in action.option_strings if flag.startswith("--")]


def _first_words(parser: argparse.ArgumentParser) -> list[str]:
    """Choices of a word without a flag, as names of sub-commands are; empty if it is a file."""
    return [str(name) for action in _shown(parser) if not action.option_strings for name in action.choices or ()]


def _shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="humorscope completion", description=__doc__)
    parser.add_argument("shell", choices=sorted(SCRIPTS))
    return parser


@with_exit_status
def main(arguments: Sequence[str]) -> int:
    """Print the script; returns the exit status."""
    print(script(build_parser().parse_args(arguments).shell), end="")
    return 0
