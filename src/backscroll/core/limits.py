"""How long and how large what comes from outside may be. The same for every source, and checked at the door."""

from __future__ import annotations

import datetime

DAY_US = 86_400_000_000
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
EARLIEST = (1 - _EPOCH_DAY) * DAY_US
LATEST = (datetime.date.max.toordinal() - _EPOCH_DAY + 1) * DAY_US - 1
"""Times outside the years 1 to 9999 are nobody's message. Microseconds since 1970 UTC."""

MAX_ID = 512
"""Characters of a message id. WhatsApp's own have about thirty."""
MAX_JID = 512
