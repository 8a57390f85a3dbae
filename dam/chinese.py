"""Which characters are Chinese, for whatever cuts text into words; asks nothing of Django."""

from __future__ import annotations

import re

# For a class of a regular expression: the ideographs of Unicode with their extensions.
CHINESE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
IS_CHINESE = re.compile(rf"[{CHINESE}]")
