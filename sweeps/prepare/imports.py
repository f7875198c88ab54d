"""Find the user's own modules that a workload imports.

Modules of the standard library, of installed packages (`site-packages`) and of this engine do not count: their versions
are recorded. A package that was installed as editable lies elsewhere and counts, and so does a package with a file
`code_identity.json` wherever it is.

Imports are read from the source, so that those inside functions count too, before they are carried out. Where a module
imports by a name that is computed, everything in the package that the name can mean counts, and the modules whose
functions, classes or constants the loaded module holds. Data files do not count: they belong to the data's fingerprint.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

CODE_IDENTITY = "code_identity.json"
ENGINE = Path(__file__).parents[1]
INSTALLED = frozenset({"site-packages", "dist-packages"})
STANDARD = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
IMPORTS = frozenset({"import_module", "__import__"})
# Functions after which any module of the package may be imported.
SCANS = frozenset({"iter_modules", "walk_packages", "spec_from_file_location", "run_path", "run_module"})
EVERYTHING = "*"  # in place of a module's name: every module of a package


@dataclass(frozen=True)
class Source:
    """A module and its file."""

    name: str
    file: Path

    @property
    def is_package(self) -> bool:
        """Whether the file is the `__init__` of a package."""
        return self.file.stem == "__init__"

    @property
    def place(self) -> str:
        """The file's path from the folder in which its import starts: the same on every machine."""
        folders = self.name.replace(".", "/")
        return f"{folders}/{self.file.name}" if self.is_package else f"{folders}{self.file.suffix}"

    @property
    def package(self) -> str:
        """The package against which the module's relative imports are resolved."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


def user_modules(names: Iterable[str]) -> list[Source]:
    """Return the user's modules that some modules import, directly or through others, with these, sorted by name.

    Nothing is imported.

    Args:
        names: The names of the modules.
    """
    waiting = {part for name in names for part in _with_parents(name)}
    seen, sources = set[str](), list[Source]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        source = _source(name)
        if source is not None:
            sources.append(source)
            waiting |= _imported_by(source) - seen
    return sorted(sources, key=lambda source: source.place)


def _source(name: str) -> Source | None:
    """Return the module's file; None if it has none of its own, is not to be found, or is not the user's."""
    location = _locate(name) if name != "__main__" else None
    if location is None or location.file is None or not _is_users(location.file, name):
        return None
    if not location.file.is_file():  # in an archive, or made while the program runs
        return None
    return Source(name, location.file)


def _imported_by(source: Source) -> set[str]:
    try:
        text = source.file.read_bytes() if source.file.suffix == ".py" else b""
    except OSError:
        return set()
    names = {*_named_in(text, source.package), *_held_by(sys.modules.get(source.name))}
    packages = {name.removesuffix(EVERYTHING) for name in names if name.endswith(EVERYTHING)}
    below = {name for package in packages for name in _modules_of(package.rstrip("."), source)}
    return {part for name in (names | below) if not name.endswith(EVERYTHING) for part in _with_parents(name)}


@dataclass(frozen=True)
class _Location:
    file: Path | None
    folders: tuple[str, ...] = ()  # where a package's modules are


def _locate(name: str) -> _Location | None:
    """Find a module as the import system would, without importing it."""
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        return _Location(Path(file) if file else None, tuple(getattr(module, "__path__", ())))
    parent = name.rpartition(".")[0]
    package = _locate(parent) if parent else None
    if parent and (package is None or not package.folders):
        return None
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, package.folders if package is not None else None)
        except (ImportError, AttributeError, ValueError):  # a finder of a library that does not know such names
            continue
        if spec is not None:
            file = Path(spec.origin) if spec.origin and spec.has_location else None
            return _Location(file, tuple(spec.submodule_search_locations or ()))
    return None


def _is_users(file: Path, name: str) -> bool:
    resolved = file.resolve()
    if resolved.is_relative_to(ENGINE):
        return False
    if not INSTALLED.intersection(file.parts) and not any(resolved.is_relative_to(folder) for folder in STANDARD):
        return True
    package = _locate(name.partition(".")[0])
    return package is not None and any((Path(folder) / CODE_IDENTITY).exists() for folder in package.folders)


def _held_by(module: ModuleType | None) -> Iterator[str]:
    """Yield the modules whose functions, classes or themselves a loaded module holds.

    The modules of a package that are attributes of it do not count: whoever imports one puts it there.
    """
    content: Mapping[str, Any] = dict(vars(module)) if module is not None else {}
    for value in content.values():
        if isinstance(value, ModuleType) and module is not None:
            if not value.__name__.startswith(f"{module.__name__}."):
                yield value.__name__
        elif isinstance(value, type | FunctionType) and isinstance(value.__module__, str):
            yield value.__module__


def _modules_of(package: str, source: Source) -> Iterator[str]:
    """Yield every module below a package; for "", those beside the module `source`, which is in no package."""
    if not package:
        yield from (file.stem for file in source.file.parent.glob("*.py"))
        return
    location = _locate(package)
    for folder in map(Path, location.folders if location is not None else ()):
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            if not any(part.startswith(".") for part in parts) and not INSTALLED.intersection(parts):
                yield ".".join((package, *parts)).removesuffix(".__init__")


def _with_parents(name: str) -> list[str]:
    """Return "a", "a.b" and "a.b.c" for "a.b.c": importing a module imports the packages around it."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


@cache
def _named_in(text: bytes, package: str) -> frozenset[str]:
    """Return the modules that a source may import; "package.*" stands for every module of a package."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # it cannot be imported either
        return frozenset()
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")}
        elif isinstance(node, ast.Call):
            names |= _named_by_call(node, package)
    return frozenset(name for name in names if name)


def _named_by_call(call: ast.Call, package: str) -> set[str]:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if function in SCANS:
        return {f"{package}.{EVERYTHING}"}
    if function not in IMPORTS or not call.args:
        return set()
    beginning, whole = _text(call.args[0])
    if whole:
        return {_absolute(beginning, package)}
    # "nets." + name can mean any module of nets, and a name that nothing is known of any of the module's own package.
    of = _absolute(beginning.rpartition(".")[0] or ".", package) if "." in beginning else package
    return {f"{of}.{EVERYTHING}"}


def _text(node: ast.expr) -> tuple[str, bool]:
    """Return the text with which the value of an expression begins, and whether that is the whole value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, True
    if isinstance(node, ast.JoinedStr) and node.values:
        return _text(node.values[0])[0], False
    if isinstance(node, ast.BinOp):
        return _text(node.left)[0], False
    return "", False


def _absolute(name: str, package: str) -> str:
    """Resolve a relative name; "" if it leads out of the package."""
    try:
        return resolve_name(name, package or None)
    except ImportError:
        return ""
