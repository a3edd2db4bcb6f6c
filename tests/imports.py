"""Who imports whom, read from the sources as text: ``python -m tests.imports`` prints the figures of the structure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("optim", "viewer")

Graph = dict[str, set[str]]


def modules(folders: Iterable[str] = SOURCES) -> dict[str, Path]:
    """Dotted name → file of every module below these folders, and of ``run_viewer``."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    return {**named, "run_viewer": ROOT / "run_viewer.py"}


def type_checking_only(tree: ast.AST) -> set[int]:
    """Identities of the nodes that only a type checker sees."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING"]
    return {id(node) for block in blocks for node in ast.walk(block)}


def imported(path: Path, *, nested: bool = True, typing: bool = False) -> Iterator[str]:
    """Dotted names that a file imports, with the name taken from each: ``a.b.name`` for ``from a.b import name``.

    Args:
        nested: Also what is imported inside functions.
        typing: Also what only a type checker sees.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set() if typing else type_checking_only(tree)
    for node in ast.walk(tree) if nested else tree.body:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_graph(known: Mapping[str, Path], *, typing: bool = False) -> Graph:
    """Module → modules that it imports, of those that are known."""
    graph: Graph = {name: set() for name in known}
    for name, path in known.items():
        for target in imported(path, typing=typing):
            found = target if target in known else target.rpartition(".")[0]
            if found in known and found != name:
                graph[name].add(found)
    return graph


def package(module: str, known: Mapping[str, Path]) -> str:
    """Its room: ``optim.body`` for ``optim.body.kinematics``; a module that lies in no room stands for itself."""
    parts = module.split(".")
    folder = parts if known[module].name == "__init__.py" else parts[:-1]
    return ".".join(folder[:2]) if len(folder) > 1 else module


def package_graph(known: Mapping[str, Path]) -> Graph:
    """Package → packages that it imports, imports for a type checker included."""
    graph: Graph = {}
    for name, targets in module_graph(known, typing=True).items():
        here = package(name, known)
        others = {package(target, known) for target in targets} - {here, "optim", "viewer"}
        graph.setdefault(here, set()).update(others)
    return graph


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other (Tarjan's strongly connected components of more than one node)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def folder_sizes(folders: Iterable[str] = (*SOURCES, "assets")) -> dict[str, int]:
    """Folder → modules in it, ``__init__.py`` not counted."""
    sizes: dict[str, int] = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            if path.name != "__init__.py":
                name = path.parent.relative_to(ROOT).as_posix()
                sizes[name] = sizes.get(name, 0) + 1
    return sizes


def main() -> None:
    """Print modules by folder, arrows and circles."""
    known = modules()
    graph, rooms = module_graph(known), package_graph(known)
    for folder, size in sorted(folder_sizes().items()):
        print(f"{size:4} {folder}")
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in known.values())
    print(f"{len(known)} modules, {lines} lines, {sum(map(len, graph.values()))} arrows between modules")
    print(f"{len(rooms)} packages, {sum(map(len, rooms.values()))} arrows between packages")
    print(f"circles: {circles(graph) + circles(rooms) or 'none'}")


if __name__ == "__main__":
    main()
