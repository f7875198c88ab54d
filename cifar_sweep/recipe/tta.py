"""What a trained network is shown of an image."""

from __future__ import annotations

from typing import Literal

TestTimeAugmentation = Literal["none", "mirror", "mirror_translate"]
