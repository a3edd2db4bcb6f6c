"""What the README promises: its commands, its links, and installs that are the same every time."""

import re
import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from optim.commands import shooting_bench, weight_rule
from optim.commands.bench import __main__ as bench

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*TOP, ROOT / "assets" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions():
    rows = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    return {normalised(name): version for name, version in (row.split("==") for row in rows)}


def test_ci_runs_the_readmes_test_command():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] in README.splitlines()


def test_the_container_is_made_by_the_readmes_commands():
    steps = re.findall(r"^RUN (.*)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert len(steps) == 2 and steps[0] in README.splitlines()
    assert f"{steps[1]} && .venv/bin/python run_viewer.py" in README.splitlines()
    assert set(steps[:1]) <= set((ROOT / "docs" / "start.md").read_text().splitlines())


def test_the_citation_has_the_version_of_the_program():
    words = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {PROJECT['version']}\nlicense: {PROJECT['license']}\n" in words
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


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
    cluster = [Requirement(row).name for row in PROJECT["optional-dependencies"]["cluster"]]  # not in a usual set-up
    for requirement in requirements():
        name = normalised(requirement.name)
        if requirement.name not in cluster or find_spec(requirement.name) is not None:
            assert version(name).split("+")[0] == locked[name]


def heading_anchors(page):
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in heading_anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert len(links) > 10 or page.name != "README.md" or page.parent != ROOT
    assert not [link for link in links if not link.startswith("http") and not leads_somewhere(page, link)]


def test_a_broken_link_is_noticed():
    page = ROOT / "docs" / "performance.md"
    assert leads_somewhere(page, "diagnostics.md#profile") and leads_somewhere(page, "#how-fast-it-is")
    assert not leads_somewhere(page, "diagnostics.md#nowhere") and not leads_somewhere(page, "nowhere.md")


def test_tables_are_written_where_the_docs_have_their_marks():
    for command in (bench, shooting_bench):
        assert all(mark in command.PAGE.read_text(encoding="utf-8") for mark in command.MARKS)
    page = weight_rule.PAGE.read_text(encoding="utf-8")
    assert weight_rule.BEGIN in page and weight_rule.END in page


def test_the_readmes_flags_exist():
    from optim.config.flags import build_parser

    known = set(build_parser()._option_string_actions)
    commands = re.findall(r"run_viewer\.py(.*)|^ +(--.*)", README, flags=re.MULTILINE)
    flags = {word for pair in commands for word in " ".join(pair).split("#")[0].split() if word.startswith("--")}
    assert "--amass-noise-std" in flags and flags <= known
