"""A font for Chinese letters in pictures, where the machine has one."""

from __future__ import annotations

from pathlib import Path

# From the systems and packages that bring one; what a collection holds is known by its faces.
FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Noto Sans CJK JP",  # the first face of the collection, for a Matplotlib that reads no other
)
FILES = ("notosanscjk", "notosanssc", "sourcehansans", "wqy-", "msyh", "simhei", "pingfang")


def chinese_font() -> str | None:
    """The name of an installed font with Chinese letters, or None.

    Returns
    -------
    str or None
        As Matplotlib knows it; fonts that were installed after Matplotlib made its list are found
        too.
    """
    from matplotlib import font_manager

    for scan in (False, True):
        if scan:
            for file in font_manager.findSystemFonts():
                if Path(file).name.lower().startswith(FILES):
                    font_manager.fontManager.addfont(file)
        known = {font.name for font in font_manager.fontManager.ttflist}
        for family in FAMILIES:
            if family in known:
                return family
    return None
