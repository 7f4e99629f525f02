"""Fingerprints a model's code, so that an edited model is never taken for the one that ran.

A released distribution is identified by its version. Source that can change under the same
version (installed editable, or given with ``--plugin``) is hashed: the module of the model and
every such module it imports, directly or not, found in the syntax tree without importing.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlparse


def code_fingerprint(module: str) -> str:
    """Return ``name==version`` of the module's distribution, plus a source hash if editable."""
    label = _label(module)
    files = _closure(module, label == "local", _editable_roots())
    if not files:
        return label
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
    return f"{label}+{digest.hexdigest()[:12]}"


@cache
def _label(module: str) -> str:
    owner = _owner(module)
    return f"{owner.metadata['Name']}=={owner.version}" if owner else "local"


@cache
def _owner(module: str) -> Distribution | None:
    """Return the distribution whose entry points or files provide the module's package."""
    top = module.partition(".")[0]
    for distribution in distributions():
        text = distribution.read_text("entry_points.txt") or ""
        if any(p.module.partition(".")[0] == top for p in distribution.entry_points if text):
            return distribution
    return None


@cache
def _editable_roots() -> tuple[Path, ...]:
    """Return the folders of distributions that are installed editable (PEP 610)."""
    roots = []
    for distribution in distributions():
        text = distribution.read_text("direct_url.json")
        if text and json.loads(text).get("dir_info", {}).get("editable"):
            roots.append(Path(unquote(urlparse(json.loads(text)["url"]).path)).resolve())
    return tuple(roots)


def _closure(module: str, local: bool, roots: tuple[Path, ...]) -> dict[str, Path]:
    """Return the changeable source files ``module`` rests on, by module name."""
    found: dict[str, Path] = {}
    top = module.partition(".")[0]
    queue = [module]
    while queue:
        name = queue.pop()
        path = _source(name)
        if name in found or path is None:
            continue
        inside = any(root in path.parents for root in roots) and ".venv" not in path.parts
        if inside or (local and name.partition(".")[0] == top):
            found[name] = path
            queue.extend(_imports(name, path))
    return found


@cache
def _source(name: str) -> Path | None:
    """Return the file of a module without importing it, nor what it lies in; None: no file."""
    top, *parts = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is None:
        return None
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    path = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for part in parts:  # a package before a module before a folder of modules, as Python does
        inits = [place / part / "__init__.py" for place in places]
        files = [p for p in (*inits, *(place / f"{part}.py" for place in places)) if p.is_file()]
        path = files[0] if files else None
        places = [place / part for place in places if (place / part).is_dir()]
        if path is not None:
            places = [path.parent] if path.name == "__init__.py" else []
    return path.resolve() if path else None


def _imports(name: str, path: Path) -> list[str]:
    """Return the dotted names a file imports; ``from a import b`` may mean a.b or only a."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_bytes())
    typing_only = {id(n) for block in _typing_blocks(tree) for n in ast.walk(block)}
    names: list[str] = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            names += [base, *(_lazy_home(base, a.name) or f"{base}.{a.name}" for a in node.names)]
    return [n for n in names if n]


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join(parts[: len(parts) - node.level + 1] + ([node.module] if node.module else []))


def _typing_blocks(tree: ast.Module) -> list[ast.If]:
    tests = (n for n in tree.body if isinstance(n, ast.If))
    return [n for n in tests if "TYPE_CHECKING" in ast.unparse(n.test)]


@cache
def _lazy_home(package: str, name: str) -> str:
    """Return the module behind a lazily exported name: the package's typing-only imports say."""
    path = _source(package)
    if path is None or path.name != "__init__.py":
        return ""
    for block in _typing_blocks(ast.parse(path.read_bytes())):
        for node in block.body:
            if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names):
                return _base(node, package)
    return ""
