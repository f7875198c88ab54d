"""The identity of a workload's code: what decides whether runs before and after a change may be compared.

The hash of the code covers the package of the workload's module, and every module of the user's that it imports
(`sweeps.prepare.imports`). The provenance has it with its version:

- version 1, of provenance without `code_version`: the folder of the workload's module alone;
- version 2: the folder and what is imported from outside it. Where nothing is, it equals version 1.

A package may declare that its code computes the same figures, bit for bit, as an earlier one: a file
`code_identity.json` beside its modules,

    {"code_sha256": "<hash of this code>", "figures_of": "<hash of the earlier code>"}

makes the earlier hash stand for this code, so that a release that only moves or documents code causes no drift. As soon
as the code is edited, its hash no longer equals `code_sha256` and the declaration does not apply any more.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

from sweeps.io.files import write_atomic
from sweeps.prepare.imports import CODE_IDENTITY, Source, user_modules
from sweeps.workload import Workload

VERSION = 2
DIGITS = 16  # of the hash of a single file, which only tells a user which one has changed
_SHA256 = re.compile("[0-9a-f]{64}")


def code_of(workload: Workload) -> dict[str, Any]:
    """Return the identity of a workload's code, as plain data for the provenance.

    Returns:
        `name`; `code_sha256`, the hash, and its `code_version`; `folder_sha256`, the hash of version 1; `files`, the
        hash of each file by its path from the folder in which its import starts.
    """
    folder_hash, folder = code_hash(workload.target), _folder_files(workload.target)
    imported = _imported_outside(workload, set(folder.values()))
    outside = {source.place: source.file for source in imported}
    return {
        "name": workload.name,
        "code_sha256": _with_imports(folder_hash, imported),
        "code_version": VERSION,
        "folder_sha256": folder_hash,
        "files": {place: _sha256(file)[:DIGITS] for place, file in sorted({**folder, **outside}.items())},
    }


def code_hash(target: Any) -> str:
    """Return the hash that identifies the figures of a package: equal hashes, equal figures.

    It is the hash of the code itself (`computed_hash`). If the package declares in `code_identity.json` that this code
    computes the same figures as earlier code (see the module's docstring), it is the hash of that earlier code. A
    declaration that is missing, damaged or about other code is ignored.

    Args:
        target: A module, or an object defined in one.
    """
    computed, package = computed_hash(target), _package_folder(target)
    declared = _declared_figures(package, computed) if package is not None else None
    return declared or computed


def computed_hash(target: Any) -> str:
    """Return the SHA-256 over the Python files of the package or module of `target`; "" if it has no file."""
    source = _source_file(target)
    if source is None:
        return ""
    package = _package_folder(target)
    return _hash_of(_python_files(package) if package is not None else [source])


def write_code_identity(target: Any, figures_of: str) -> Path:
    """Declare that the code of `target`, as it is now, computes the same figures as an earlier code, bit for bit.

    Args:
        target: A module of the package, or an object defined in one.
        figures_of: The hash of the earlier code, as `code_hash` returned it.

    Returns:
        The file that was written.

    Raises:
        ValueError: `figures_of` is no SHA-256, or `target` does not come from a package.
    """
    if not _SHA256.fullmatch(figures_of):
        raise ValueError(f"figures_of must be a SHA-256 in hexadecimal digits but is {figures_of!r}")
    package = _package_folder(target)
    if package is None:
        raise ValueError(f"only a package can declare the identity of its code, and {target!r} comes from none")
    path = package / CODE_IDENTITY
    identity = {"code_sha256": computed_hash(target), "figures_of": figures_of}
    write_atomic(path, json.dumps(identity, indent=2) + "\n")
    return path


def _imported_outside(workload: Workload, folder: set[Path]) -> list[Source]:
    """The user's modules that the workload imports from outside its module's folder, whose files are given."""
    module = inspect.getmodule(workload.target)
    # The object of "module:object" may be made of what another module defines.
    names = {workload.name.partition(":")[0], *([module.__name__] if module is not None else [])}
    covered = {file.resolve() for file in folder}
    return [source for source in user_modules(names) if source.file.resolve() not in covered]


def _with_imports(folder_hash: str, imported: list[Source]) -> str:
    """The hash of version 2. A package that declares its figures counts by them instead of by its files."""
    if not imported:
        return folder_hash
    parts = {}
    for source in imported:
        package = source.file.parents[source.place.count("/") - 1] if "/" in source.place else None
        if package is not None and (package / CODE_IDENTITY).exists():
            if package.name not in parts:
                computed = _hash_of(_python_files(package))
                parts[package.name] = _declared_figures(package, computed) or computed
        else:
            parts[source.place] = _sha256(source.file)
    return hashlib.sha256(json.dumps([folder_hash, parts], sort_keys=True).encode()).hexdigest()


def _folder_files(target: Any) -> dict[str, Path]:
    """The files that version 1 covers, by their path from the folder in which the import of the module starts."""
    source, package = _source_file(target), _package_folder(target)
    if source is None:
        return {}
    if package is None:
        return {source.name: source}
    module = target if inspect.ismodule(target) else inspect.getmodule(target)
    names = str(getattr(module, "__name__", "")).split(".")
    prefix = "/".join(names if source.stem == "__init__" else names[:-1]) or package.name
    return {f"{prefix}/{file.relative_to(package).as_posix()}": file for file in _python_files(package)}


def _python_files(package: Path) -> list[Path]:
    """The Python files below a folder. What only has such a name, as the link by which Emacs locks a file, is none."""
    return sorted(file for file in package.rglob("*.py") if file.is_file())


def _hash_of(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _declared_figures(package: Path, computed: str) -> str | None:
    """The earlier hash that a package declares for its code, if the code still has the hash `computed`."""
    try:
        content = json.loads((package / CODE_IDENTITY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # missing, no text, no JSON, nested too deeply
        return None
    if not isinstance(content, dict) or content.get("code_sha256") != computed:
        return None
    figures_of = content.get("figures_of")
    return figures_of if isinstance(figures_of, str) and _SHA256.fullmatch(figures_of) else None


def _source_file(target: Any) -> Path | None:
    module = target if inspect.ismodule(target) else inspect.getmodule(target)
    source = getattr(module, "__file__", None)
    return None if source is None else Path(source)


def _package_folder(target: Any) -> Path | None:
    """The folder of the package that `target` comes from; None for a module on its own."""
    source = _source_file(target)
    return source.parent if source is not None and (source.parent / "__init__.py").exists() else None
