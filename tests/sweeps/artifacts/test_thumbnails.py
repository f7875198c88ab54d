"""Pictures of images: small PNG files that other programs read, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweeps.artifacts.layout import THUMBNAILS
from sweeps.artifacts.thumbnails import MOST_BYTES, encode_png, has_thumbnail, read_thumbnail, write_thumbnails

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def test_another_program_reads_the_same_pixels() -> None:
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(PIXELS)))), PIXELS)


def test_large_image_becomes_a_small_picture() -> None:
    with Image.open(io.BytesIO(encode_png(np.zeros((224, 300, 3), np.uint8)))) as picture:
        assert max(picture.size) <= 96
        assert picture.size[0] / picture.size[1] == pytest.approx(300 / 224, rel=0.05)


@pytest.mark.parametrize("pixels", [PIXELS[..., :1], PIXELS.astype(float), PIXELS[0], PIXELS[:0]], ids=range(4))
def test_other_shapes_and_types_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"a picture needs the shape \(H, W, 3\)"):
        encode_png(pixels)


def test_pictures_of_a_set_replace_its_earlier_ones(tmp_path: Path) -> None:
    write_thumbnails(tmp_path, "final", "noise 3", {4: PIXELS, 5: PIXELS})
    write_thumbnails(tmp_path, "final", "test", {9: PIXELS})
    write_thumbnails(tmp_path, "final", "noise 3", {5: PIXELS, 6: PIXELS})
    assert [has_thumbnail(tmp_path, "final", "noise 3", index) for index in (4, 5, 6)] == [False, True, True]
    assert read_thumbnail(tmp_path, "final", "test", 9) == encode_png(PIXELS)
    assert read_thumbnail(tmp_path, "ablation", "test", 9) is None


@pytest.mark.parametrize(
    "content", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + bytes(MOST_BYTES)], ids=range(3)
)
def test_file_that_is_no_small_picture_is_not_shown(tmp_path: Path, content: bytes) -> None:
    write_thumbnails(tmp_path, "final", "test", {9: PIXELS})
    next((tmp_path / THUMBNAILS).glob("*/9.png")).write_bytes(content)
    assert read_thumbnail(tmp_path, "final", "test", 9) is None
