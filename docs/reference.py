"""The pages of the reference that are made from the program's own tables: flags, quantities and loss terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optim.config.flags import WITHOUT_EFFECT, build_parser
from optim.diagnostics.quantities import QUANTITIES
from optim.schedule.presets import PRESETS
from optim.schedule.terms import TERMS
from viewer.commands.entry.subcommands import SUBCOMMANDS


def pages() -> dict[str, str]:
    """Address on the site → text."""
    return {"reference/flags.md": flags_page(), "reference/quantities.md": quantities_page()}


def flags_page() -> str:
    """The sub-commands and every flag of a fit, by the headings of ``--help``."""
    text = [
        "# Flags",
        "",
        "`humorscope` without a sub-command is the same as `run_viewer.py`: the window opens on a fit. This page and"
        " `--help` are made from the same table of options.",
        "",
        *_table(
            ("sub-command", "what it does"), [(f"`{row.name} {row.operand}`", _plain(row.help)) for row in SUBCOMMANDS]
        ),
    ]
    for group in build_parser()._action_groups:
        rows = []
        for action in group._group_actions:
            if not action.option_strings:
                continue
            names = ", ".join(f"`{name}`" for name in action.option_strings)
            rows.append((names, _values(action), _plain((action.help or "").replace("%%", "%"))))
        if rows:
            text += ["", f"## {(group.title or '').capitalize()}", "", *_table(("flag", "value", "meaning"), rows)]
    text += ["", "## Accepted without effect", ""]
    text += _table(("flag of HuMoR", "why"), [(f"`{flag}`", why) for flag, (_, why) in WITHOUT_EFFECT.items()])
    return "\n".join(text) + "\n"


def quantities_page() -> str:
    """Quantities with unit and definition, loss terms with unit and formula, and the presets."""
    quantities = [(_plain(q.label), q.unit, _plain(q.definition)) for q in QUANTITIES.values()]
    terms = [(f"`{t.name}`", t.unit, f"`{t.formula}`", f"`{t.flag}`", _plain(t.help)) for t in TERMS]
    return "\n".join(
        [
            "# Quantities and loss terms",
            "",
            "This page is made from the program's own tables. Window, report, tables and videos use these names.",
            "",
            "## Quantities",
            "",
            *_table(("name", "unit", "definition"), quantities),
            "",
            "## Loss terms",
            "",
            "All terms are sums over frames, not means. The raw value has the unit that is given here; the loss is the"
            " sum of raw values times weights.",
            "",
            *_table(("term", "unit", "formula", "flag", "purpose"), terms),
            "",
            f"Presets: {', '.join(f'`{name}`' for name in PRESETS)}. Their rules are in the table `PRESETS` of"
            " `optim/schedule/presets.py`.",
            "",
        ]
    )


def _values(action: object) -> str:
    metavar, choices = getattr(action, "metavar", None), getattr(action, "choices", None)
    if getattr(action, "nargs", None) == 0:
        return ""
    if choices:
        return _plain(" or ".join(map(str, choices)))
    if isinstance(metavar, tuple):
        return " ".join(f"`{word}`" for word in metavar)
    word = f"`{metavar}`" if metavar else "a value"
    count = getattr(action, "nargs", None)
    return {"+": f"one or more of {word}", None: word}.get(count, f"{count} × {word}")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in cells]


def _plain(text: str) -> str:
    """Text in which nothing is taken for markup."""
    for sign in "\\*_<>[]":
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return text
