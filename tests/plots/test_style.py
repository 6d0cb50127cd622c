import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.plots import style
from fedlab_core.plots.style import DARK, LIGHT, format_bytes, format_flops, format_percent, format_points

BACKGROUNDS = {LIGHT: "#FFFFFF", DARK: "#0E1117"}
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


def luminance(color: str) -> float:
    """Relative luminance of the Web Content Accessibility Guidelines 2.2."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color: str, other: str) -> float:
    light, dark = sorted((luminance(color), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_both_themes_are_readable(theme: style.Theme) -> None:
    background = BACKGROUNDS[theme]
    assert contrast(theme.ink, background) >= 7
    assert contrast(theme.ink, theme.surface) >= 7
    assert contrast(theme.gray, background) >= 3
    assert contrast(theme.kept, background) >= 3
    assert contrast(theme.kept, theme.pruned) >= 3
    # A change must stand out from the state it ends in.
    assert contrast(style.PRUNED_SINCE, theme.pruned) >= 1.8
    assert contrast(theme.magnitudes[0], theme.pruned) >= 1.8


def test_no_meaning_rests_on_colour_alone() -> None:
    for first, second in [(style.UPLINK, style.DOWNLINK), (style.WORST_CLIENT, LIGHT.mean_client)]:
        assert first["color"] != second["color"]
        assert first["dash"] != second["dash"]
    assert LIGHT.global_model["width"] > 2 * LIGHT.mean_client["width"]
    assert style.PRUNED_SINCE_MARK != style.GROWN_SINCE_MARK
    for column in zip(*style.RUNS, strict=True):
        assert len(set(column)) == len(style.RUNS)


def test_run_styles_repeat_after_the_last() -> None:
    assert style.run_style(len(style.RUNS)) == style.run_style(0)
    assert style.run_style(0) != style.run_style(1)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1_000, "1 kB"),
        (1_300_000, "1.3 MB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_960, "1 MB"),
        (12_340_000_000, "12.3 GB"),
        (5e15, "5000 TB"),
    ],
)
def test_bytes_for_people(count: float, text: str) -> None:
    assert format_bytes(count) == text


@given(st.integers(0, 10**14))
def test_bytes_are_within_five_percent_of_what_is_said(count: int) -> None:
    number, unit = format_bytes(count).split()
    assert float(number) * UNITS[unit] == pytest.approx(count, rel=0.05)
    assert float(number) < 1000


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.924, "92.4 %"),
        (0.95, "95 %"),
        (0, "0 %"),
        (1, "100 %"),
        (0.9996, "99.96 %"),
        (0.0003, "0.03 %"),
        (0.9995, "99.95 %"),
    ],
)
def test_percents_for_people(fraction: float, text: str) -> None:
    assert format_percent(fraction) == text


def test_flops_and_points_for_people() -> None:
    assert format_flops(2_500_000_000) == "2.5 GFLOPs"
    assert format_flops(7) == "7 FLOPs"
    assert format_points(-0.004) == "0.4 points"
    assert format_points(0.01) == "1 point"


@pytest.mark.parametrize(
    ("largest", "unit"), [(0, (1, "B")), (999, (1, "B")), (1000, (1e3, "kB")), (2e6, (1e6, "MB")), (1e16, (1e12, "TB"))]
)
def test_the_unit_of_an_axis(largest: float, unit: tuple[float, str]) -> None:
    assert style.byte_unit(largest) == unit
