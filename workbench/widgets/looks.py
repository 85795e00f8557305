"""The colours of the four looks, and what decides whether they can be read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtGui import QColor, QGuiApplication, QPalette


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one look, as ``#rrggbb``.

    Attributes:
        name: ``light``, ``dark``, ``light contrast`` or ``dark contrast``.
        dark: Whether text is lighter than its background.
        high_contrast: For projectors: black or white, and stronger borders.
        window, surface, sunken: Behind cards, of cards and inputs, of headers and code.
        border, strong_border: Hairlines, and the outlines of controls (3:1 against the surface).
        text, muted: Ink, and ink of lesser importance; both at least 4.5:1 on the three backgrounds.
        accent, accent_text, accent_soft: The one accent colour, ink on it, and its tint behind selected rows.
        error, warning, info, success: Ink of notices, at least 4.5:1 on ``surface``.
        tints: Six backgrounds of token chips, told apart by eyes of all kinds; ``text`` reads on each.
        scale: The sequential scale from expected (first) to surprising (last).
        series: Lines of plots, at least 3:1 on ``surface``.
        code: Ink of code by kind: ``keyword``, ``string``, ``number``, ``comment``, ``name``, ``operator``.
    """

    name: str
    dark: bool
    high_contrast: bool
    window: str
    surface: str
    sunken: str
    border: str
    strong_border: str
    text: str
    muted: str
    accent: str
    accent_text: str
    accent_soft: str
    error: str
    warning: str
    info: str
    success: str
    tints: tuple[str, ...]
    scale: tuple[str, ...]
    series: tuple[str, ...]
    code: dict[str, str]

    @property
    def faint(self) -> str:
        """Ink of what can't be used now, still at least 4.5:1 on the three backgrounds."""
        return mix(QColor(self.muted), QColor(self.surface), 0.1).name()


LIGHT = Theme(
    name="light", dark=False, high_contrast=False,
    window="#f3f5f8", surface="#ffffff", sunken="#f7f8fa", border="#dde2e9", strong_border="#8b95a5",
    text="#1a202c", muted="#566072", accent="#2f5fd0", accent_text="#ffffff", accent_soft="#dfe8fb",
    error="#b3261e", warning="#855200", info="#2f5fd0", success="#1c6b43",
    tints=("#d3e0f7", "#fae3c0", "#d2ecdc", "#f6d6e0", "#e4daf4", "#e3e5de"),
    scale=("#ffffff", "#fdebd0", "#f9c98a", "#ef9a4c", "#d4671f", "#9c3d0c"),
    series=("#2f5fd0", "#b85a0a", "#1c7a4c", "#8a3fa8", "#b3261e", "#566072"),
    code={"keyword": "#7a2fa0", "string": "#1c6b43", "number": "#a04a00", "comment": "#647084", "name": "#2453bd",
          "operator": "#475063"},
)  # fmt: skip

DARK = Theme(
    name="dark", dark=True, high_contrast=False,
    window="#14171c", surface="#1c2027", sunken="#181b21", border="#313844", strong_border="#6d788a",
    text="#e5e9f0", muted="#a2acbc", accent="#82aaff", accent_text="#0d1423", accent_soft="#293a5c",
    error="#ff9d94", warning="#f0c060", info="#82aaff", success="#7fd6a5",
    tints=("#2b4168", "#5a4420", "#25523a", "#5e3145", "#483865", "#454a45"),
    scale=("#1c2027", "#432c18", "#74430f", "#ab6118", "#e08a36", "#ffc27a"),
    series=("#82aaff", "#f2a65a", "#7fd6a5", "#d3a0f0", "#ff9d94", "#a2acbc"),
    code={"keyword": "#d3a0f0", "string": "#8fd8a8", "number": "#f2b070", "comment": "#8f9aab", "name": "#8fb4ff",
          "operator": "#c3cad6"},
)  # fmt: skip

LIGHT_CONTRAST = replace(
    LIGHT, name="light contrast", high_contrast=True, window="#fefefe", sunken="#f4f4f4", border="#767676",
    strong_border="#3a3a3a", text="#000000", muted="#333a45", accent="#0b3fb8", accent_soft="#cfdcfa",
    error="#8f0f08", warning="#633c00", info="#0b3fb8", success="#0b4f2b",
    code={"keyword": "#5b1282", "string": "#0b4f2b", "number": "#7a3600", "comment": "#4a5362", "name": "#0b3fb8",
          "operator": "#1a202c"},
)  # fmt: skip

DARK_CONTRAST = replace(
    DARK, name="dark contrast", high_contrast=True, window="#000000", surface="#060606", sunken="#101010",
    border="#8a8a8a", strong_border="#c8c8c8", text="#ffffff", muted="#d6dae0", accent="#a9c6ff",
    accent_soft="#23407c", error="#ffb8b1", warning="#ffd98a", info="#a9c6ff", success="#a6f0c6",
)  # fmt: skip

THEMES = (LIGHT, DARK, LIGHT_CONTRAST, DARK_CONTRAST)
_BY_WINDOW = {QColor(theme.window).rgb(): theme for theme in THEMES}


def current() -> Theme:
    """The theme the application's palette was dressed in; by lightness where `apply` was never called."""
    window = QGuiApplication.palette().color(QPalette.ColorRole.Window)
    return _BY_WINDOW.get(window.rgb()) or (DARK if window.lightness() < 128 else LIGHT)


def mix(first: QColor, second: QColor, share: float) -> QColor:
    """Blend two colours: 0 is the first, 1 the second."""
    return QColor.fromRgbF(
        first.redF() + (second.redF() - first.redF()) * share,
        first.greenF() + (second.greenF() - first.greenF()) * share,
        first.blueF() + (second.blueF() - first.blueF()) * share,
    )


def ink_on(background: QColor) -> QColor:
    """Black or white, whichever reads better; at least 4.58:1 on any background."""
    black, white = QColor("#000000"), QColor("#ffffff")
    return black if contrast(black, background) >= contrast(white, background) else white


def contrast(first: QColor | str, second: QColor | str) -> float:
    """Contrast ratio of two opaque colours, from 1 to 21.

    References:
        WCAG 2.2, relative luminance and contrast ratio.
    """
    one, other = _luminance(QColor(first)), _luminance(QColor(second))
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def _luminance(color: QColor) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (color.redF(), color.greenF(), color.blueF())
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
