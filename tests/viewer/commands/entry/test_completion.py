"""Completion in the shells themselves: the words before the cursor go in, the possible words come out."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from viewer.commands.entry.completion import main, script

CASES = [
    ("humorscope e", {"export", "evaluate"}),
    ("humorscope --pres", {"--preset"}),
    ("humorscope fit --data-t", {"--data-type"}),
    ("humorscope fit --preset sh", {"shooting"}),
    ("humorscope export --stage stage3_", {"stage3_init"}),
    ("humorscope report --no", {"--no-pictures"}),
    ("humorscope batch --shar", {"--shard"}),
    ("humorscope batch --pres", {"--preset"}),
    ("humorscope batch --preset sh", {"shooting"}),
    ("humorscope train mot", {"motion-prior"}),
    ("humorscope completion z", {"zsh"}),
    ("humorscope fit my_c", {"my_clip.npz"}),
    ("humorscope export my_c", {"my_clip.npz"}),
    ("humorscope --data-path my_c", {"my_clip.npz"}),
]


def in_bash(line, folder):
    """The words that bash offers. Without any from the function, readline completes files, as ``-o default`` says."""
    code = f"""{script("bash")}
COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _humorscope
if [[ ${{#COMPREPLY[@]}} -gt 0 ]]; then printf '%s\\n' "${{COMPREPLY[@]}}"
else compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"; fi
complete -p humorscope | grep -q -- '-o default' || echo no files"""
    done = subprocess.run(["bash", "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    assert not done.stderr
    return set(done.stdout.split())


IN_ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -D -u; source $1"
zpty -w shell 'show() { print -r -- "<BUFFER $BUFFER>" }; zle -N show; bindkey "^X" show; print READ""Y'
while zpty -r shell told; do [[ $told == *READY* ]] && break; done
zpty -w -n shell "$2"$'\t\x18'
while zpty -r shell told; do print -r -- $told; [[ $told == *"<BUFFER"*">"* ]] && break; done
zpty -d shell
"""
"""Types a line and a tab into an interactive zsh, and shows what the line has become."""


def in_zsh(line, folder):
    """What stands on the line after a tab."""
    (folder / "completion").write_text(script("zsh"))
    words = ["zsh", "-f", "-c", IN_ZSH, "zsh", str(folder / "completion"), line]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.partition("<BUFFER ")[2].partition(">")[0]


@pytest.mark.parametrize(("line", "words"), CASES)
def test_bash_offers_the_words(line, words, tmp_path):
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    (tmp_path / "my_clip.npz").touch()
    assert in_bash(line, tmp_path) == words


@pytest.mark.parametrize(("line", "words"), [case for case in CASES if len(case[1]) == 1])
def test_zsh_completes_the_line(line, words, tmp_path):
    if shutil.which("zsh") is None:
        pytest.skip("there is no zsh")
    (tmp_path / "my_clip.npz").touch()
    (word,) = words
    assert in_zsh(line, tmp_path) == f"{line.rpartition(' ')[0]} {word} "


def test_the_command_prints_the_script(capsys):
    assert main(["bash"]) == 0
    assert capsys.readouterr().out == script("bash")
