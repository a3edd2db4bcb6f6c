"""What the README promises: its commands, its links, and installs that are the same every time."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions():
    rows = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    return {normalised(name): version for name, version in (row.split("==") for row in rows)}


def test_ci_runs_the_readmes_test_command():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] in README.splitlines()


def requirements():
    """Every dependency of the program and of its extras, except the program itself."""
    rows = PROJECT["dependencies"] + [row for rows in PROJECT["optional-dependencies"].values() for row in rows]
    return [Requirement(row) for row in rows if Requirement(row).name != PROJECT["name"]]


def test_every_dependency_has_a_range_and_its_lock_lies_in_it():
    locked = locked_versions()
    assert len(requirements()) > 15
    for requirement in requirements():
        bounds = {bound.operator: bound.version for bound in requirement.specifier}
        tested = locked[normalised(requirement.name)]
        assert bounds.keys() == {">=", "<"}, requirement
        assert requirement.specifier.contains(tested), requirement
        assert bounds[">="] == tested, f"{requirement}: the lower bound is the version that is tested"


def test_what_is_installed_is_what_is_locked():
    """Run in an environment made by the README's command, this says whether the lock was kept."""
    locked = locked_versions()
    for requirement in requirements():
        name = normalised(requirement.name)
        assert version(name).split("+")[0] == locked[name]


def test_the_readmes_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(targets) > 10
    missing = [t for t in targets if not t.startswith("http") and not (ROOT / t).exists()]
    assert not missing


def test_the_readmes_flags_exist():
    from optim.config.flags import build_parser

    known = set(build_parser()._option_string_actions)
    commands = re.findall(r"run_viewer\.py(.*)|^ +(--.*)", README, flags=re.MULTILINE)
    flags = {word for pair in commands for word in " ".join(pair).split("#")[0].split() if word.startswith("--")}
    assert "--amass-noise-std" in flags and flags <= known
