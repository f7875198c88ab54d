"""A recipe file that cannot be read is one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.artifacts.recipe_file import read_recipe
from sweeps.io.errors import Unavailable


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: [1, 2\n", r"while parsing a flow sequence in .*"),
        (b"a: &x\n- *y\n", r"found undefined alias .*"),
        (b"\xff\xfe", r"'utf-8' codec can't decode .*"),
        (b"[1, 2]", r"it has a list instead of settings"),
    ],
)
def test_file_that_is_no_recipe_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(Unavailable, match=rf"recipe\.yaml is not the recipe of a trial: {reason}; restore the file"):
        read_recipe(tmp_path)
