"""The library's client, bound to a spool: its events are on disk before the library continues.

Only the functions listed here are ever called. The library can send messages, read receipts and presence; an archive
must not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import segno
from neonize.client import NewClient
from neonize.events import EVENT_TO_INT, Event
from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waCompanionReg import WAWebProtobufsCompanionReg_pb2 as companion
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
from neonize.utils.enum import ClientName, ClientType

from backscroll.linked.spool import Spool

SESSION = "backscroll"
DATABASE = "session.db"
FULL_HISTORY_DAYS = 3650
FULL_HISTORY_MB = 102_400
QUIET_ZONE = 4
KEPT = frozenset(
    EVENT_TO_INT[kind]
    for kind in (
        neonize.HistorySync,
        neonize.Message,
        neonize.Receipt,
        neonize.JoinedGroup,
        neonize.GroupInfoEvent,
        neonize.NewsletterJoin,
        neonize.NewsletterLeave,
        neonize.CallOffer,
        neonize.CallOfferNotice,
        neonize.CallTerminate,
        neonize.UndecryptableMessage,
    )
)
"""Events that the archive needs. Typing and presence are not requested."""
NOTICED = frozenset(
    EVENT_TO_INT[kind]
    for kind in (
        neonize.Device,
        neonize.PairStatus,
        neonize.Connected,
        neonize.KeepAliveTimeout,
        neonize.KeepAliveRestored,
        neonize.LoggedOut,
        neonize.StreamReplaced,
        neonize.TemporaryBan,
        neonize.ConnectFailure,
        neonize.ClientOutdated,
        neonize.StreamError,
        neonize.Disconnected,
        neonize.OfflineSyncCompleted,
    )
)
"""How the connection stands."""


class Events(Event):  # type: ignore[misc]
    """The library's dispatch, with the spool in front of it."""

    def __init__(self, client: Any, spool: Spool, notice: Callable[[Any], None], fail: Callable[[BaseException], None]):
        super().__init__(client)
        self._spool = spool
        self._notice = notice
        self._fail = fail
        # What has a handler is what the library is asked for.
        for code in sorted(KEPT | NOTICED):
            self.list_func[code] = lambda _, event: notice(event)

    def execute(self, uuid: int, binary: int, size: int, code: int) -> None:
        """Called by the library, on its own thread, with the bytes of an event.

        An exception would vanish in there, and the event with it: ``fail`` must end the process.
        """
        try:
            if code in KEPT:
                self._spool.append(code, ctypes.string_at(binary, size))
            else:
                super().execute(uuid, binary, size, code)
                if code == EVENT_TO_INT[neonize.Device]:
                    self._notice(self.client.me)
        except BaseException as error:
            self._fail(error)


class Client(NewClient):  # type: ignore[misc]
    """One account's session, in the current folder. ``status`` hears how signing in goes: ``timeout``, ``success`` …"""

    def __init__(
        self,
        spool: Spool,
        *,
        notice: Callable[[Any], None],
        code: Callable[[str], None],
        status: Callable[[str], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        history = companion.DeviceProps.HistorySyncConfig(
            fullSyncDaysLimit=FULL_HISTORY_DAYS,
            fullSyncSizeMbLimit=FULL_HISTORY_MB,
            storageQuotaMb=FULL_HISTORY_MB,
            supportCallLogHistory=True,
            supportCagReactionsAndPolls=True,
        )
        props = companion.DeviceProps(
            os="Backscroll",
            platformType=companion.DeviceProps.DESKTOP,
            requireFullSync=True,
            historySyncConfig=history,
        )
        super().__init__(DATABASE, props=props, uuid=SESSION)
        self.event = Events(self, spool, notice, fail)
        self.event.qr(lambda _, data: code(data.decode()))
        self._status = status

    def _NewClient__onLoginStatus(self, uuid: int, status: int) -> None:  # noqa: N802
        # The library's own name; what stands there prints.
        self._status(ctypes.string_at(status).decode("utf-8", "replace"))

    def pair_code(self, number: str) -> str:
        """A code of eight letters for the phone with this number; only after the first QR code came."""
        code: str = self.PairPhone(number, True, ClientName.LINUX, ClientType.CHROME)
        return code

    def contacts(self) -> list[dict[str, Any]]:
        """Everyone in the phone's address book, and everyone else whose name is known."""
        from backscroll.linked.plain import plain

        return [plain(contact) for contact in self.contact.get_all_contacts()]

    def groups(self) -> list[Any]:
        """The groups that the account is in, with their members."""
        return list(self.get_joined_groups())

    def settings_of(self, chat: str) -> dict[str, Any] | None:
        """Whether a chat is archived, pinned or muted; None where the phone never said."""
        from backscroll.linked.plain import plain

        found = self.chat_settings.get_chat_settings(as_jid(chat))
        return plain(found) | {"JID": chat} if found.Found else None

    def download(self, content: bytes) -> bytes:
        """The file that a part of a message describes."""
        data: bytes = self.download_any(e2e.Message.FromString(content))
        return data


def as_jid(text: str) -> Any:
    """A JID as the library wants it."""
    user, _, server = text.rpartition("@")
    return neonize.JID(User=user, Server=server, RawAgent=0, Device=0, Integrator=0, IsEmpty=False)


def modules(text: str) -> tuple[str, ...]:
    """The QR code of a text, a row of ``0`` and ``1`` for each of its rows, with its quiet zone."""
    code = segno.make_qr(text, error="l")
    side = len(code.matrix) + 2 * QUIET_ZONE
    edge = ("0" * side,) * QUIET_ZONE
    rows = ("".join("1" if module else "0" for module in row) for row in code.matrix)
    return (*edge, *(f"{'0' * QUIET_ZONE}{row}{'0' * QUIET_ZONE}" for row in rows), *edge)
