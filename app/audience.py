"""How often windows look at a run under way: many of them ask, together, no more of the server than a few do."""

from __future__ import annotations

import time

from app import session

SOON_S = 0.4
LOOKS_PER_S = 15.0
"""So many looks a processor serves in half of its time: one takes 20 to 30 ms, more where curves are drawn again."""
GONE_S = 6.0

_last_looks: dict[str, float] = {}
"""When each window looked last; of this server, for its windows share it."""


def every() -> float:
    """Seconds until this window, which looks now, should look again."""
    now = time.monotonic()
    _last_looks[session.window()] = now
    for window, last in list(_last_looks.items()):  # a copy: other windows come while this one counts
        if now - last > GONE_S:
            _last_looks.pop(window, None)
    return max(SOON_S, len(_last_looks) / LOOKS_PER_S)


def has_changed(seconds: float) -> bool:
    """Whether so many windows have come or gone that another pause than `seconds` is due."""
    return not seconds / 2 < every() < seconds * 2
