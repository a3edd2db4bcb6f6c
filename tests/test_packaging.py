"""What the README promises: its commands, its links, and installs that are the same every time."""

import re
import tomllib
from pathlib import Path

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


def test_every_dependency_is_pinned_and_locked():
    locked = locked_versions()
    asked = PROJECT["dependencies"] + [row for rows in PROJECT["optional-dependencies"].values() for row in rows]
    for requirement in asked:
        if requirement.startswith(PROJECT["name"]):
            continue
        name, version = requirement.split("==")
        assert locked[normalised(name)] == version


def test_what_is_installed_is_what_is_locked():
    """Run in an environment made by the README's command, this says whether the lock was kept."""
    from importlib.metadata import version

    locked = locked_versions()
    for name in ("torch", "numpy", "polyscope", "smplx", "human-body-prior", "opencv-python"):
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
