"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from functools import lru_cache

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # their numbers in malloc.h


@lru_cache
def keep_freed_memory() -> None:
    """Ask the C library to use freed memory again instead of giving it back at once; glibc only, elsewhere nothing.

    Every step needs the same few megabytes. Fetching them anew from the system each time took up to a third of a step.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library than glibc
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_MMAP_THRESHOLD, 64 << 20)
            mallopt(_TRIM_THRESHOLD, 256 << 20)
