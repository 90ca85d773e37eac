"""The three packages' own source, as tests read it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Every module of the three packages, with its path."""
    packages = (ROOT / package for package in ("curation", "engine", "loratui"))
    paths = [path for package in packages for path in sorted(package.rglob("*.py"))]
    return tuple((path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))) for path in paths)


def imports() -> Iterator[tuple[str, str]]:
    """Every module that is imported somewhere, with the path of the module that does."""
    for path, module in modules():
        for node in ast.walk(module):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            yield from ((path, name) for name in names)


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a function or method of that name, with its module's path."""
    for path, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name:
                yield path, node
