"""The colours of heat maps: brightness follows the value, and text is readable on every colour, in both schemes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sweeps.report.figures import theme

READABLE = 4.5  # the contrast that WCAG 2 asks for at level AA


def luminance(colour: str) -> float:
    """The relative luminance of a colour as WCAG 2 defines it, from 0 (black) to 1 (white)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [at / 12.92 if at <= 0.04045 else ((at + 0.055) / 1.055) ** 2.4 for at in channels]
    return sum(weight * at for weight, at in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def steps(scale: tuple[tuple[float, str], ...], dark: bool) -> list[float]:
    return [luminance(theme.DARK[colour] if dark else colour) for _, colour in scale]


@pytest.mark.parametrize("dark", [False, True])
def test_a_larger_share_is_further_from_the_paper(dark: bool) -> None:
    shades = steps(theme.SHARES, dark)
    assert all((two > one) is dark and two != one for one, two in pairwise(shades))


@pytest.mark.parametrize("dark", [False, True])
def test_a_larger_difference_is_further_from_the_paper_on_both_sides(dark: bool) -> None:
    shades = steps(theme.DIFFERENCES, dark)
    middle = len(shades) // 2
    for side in (shades[middle:], shades[middle::-1]):
        assert all((two > one) is dark and two != one for one, two in pairwise(side))


@pytest.mark.parametrize("colour", [colour for scale in (theme.SHARES, theme.DIFFERENCES) for _, colour in scale])
def test_text_is_readable_on_every_colour_of_a_heat_map(colour: str) -> None:
    assert contrast(theme.INK, colour) >= READABLE
    assert contrast(theme.DARK[theme.INK], theme.DARK[colour]) >= READABLE
