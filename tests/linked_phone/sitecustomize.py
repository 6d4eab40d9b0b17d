"""Simulates a phone and WhatsApp for the real process of a linked device, which loads this file from PYTHONPATH.

Only the connection is simulated: instead of connecting, this calls the library's callback as its Go part would call
it, with numbered messages. LINKED_PHONE says how many there are, after which the phone falls silent until the process
is killed, and after which the library crashes (``{"count": 300, "silent_after": [100], "crash_after": [200]}``).
The number of messages so far is in the file ``pushed``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any


def _talk(client: Any, proxy_settings: Any = None) -> None:
    import ctypes

    from neonize._binder import func_callback_bytes
    from neonize.events import EVENT_TO_INT
    from neonize.proto import Neonize_pb2 as neonize

    import linked_events as made

    call = func_callback_bytes(client.event.execute)

    def push(event: Any) -> None:
        payload = event.SerializeToString()
        buffer = ctypes.create_string_buffer(payload, len(payload))
        call(b"backscroll", ctypes.addressof(buffer), len(payload), EVENT_TO_INT[type(event)])

    # Without a connection, these calls of the library would end the process.
    client.contacts, client.groups, client.settings_of = list, list, lambda chat: None
    plan = json.loads(os.environ["LINKED_PHONE"])
    told = Path("pushed")
    if not Path("account.json").exists():
        paired = {"BusinessName": "", "Platform": "", "Status": neonize.PairStatus.SUCCESS}
        client.event._qr(client, b"2@a-code-to-scan")
        push(neonize.PairStatus(ID=made.jid(made.OWN, device=7), **paired))
    push(neonize.Connected(status=True))
    for number in range(int(told.read_text()) if told.exists() else 0, plan["count"]):
        push(made.message(made.text(f"message {number}"), id=f"L{number:06}", seconds=made.SECONDS + number))
        told.write_text(str(number + 1))
        if number + 1 in plan["silent_after"]:
            break
        if number + 1 in plan["crash_after"]:
            # The library's Go part looks for a session that does not exist, and aborts.
            client.get_me()
    if "raises" in plan:
        raise RuntimeError(plan["raises"])
    if "signing_in" in plan:
        client._NewClient__onLoginStatus(
            None, ctypes.cast(ctypes.c_char_p(plan["signing_in"].encode()), ctypes.c_void_p)
        )
    if "code" in plan:
        client.event._qr(client, plan["code"].encode())
    if "event" in plan:
        kind = getattr(neonize, plan["event"])
        push(kind.FromString(bytes.fromhex(plan["bytes"])))
    threading.Event().wait()


if "backscroll.linked.child" in sys.orig_argv and "LINKED_PHONE" in os.environ:
    from neonize.client import NewClient

    NewClient.connect = _talk
