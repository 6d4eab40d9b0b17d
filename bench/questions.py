"""Requests to the servers: drawn at random, the same each time."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from urllib.parse import quote, urlencode

from bench.data import BEGIN, PHONES, SPAN, Loaded, chats, vocabulary
from bench.load import Ask

PAGE = 50
BIG_PAGE = 2_000
SAMPLE = 400
"""Different requests of a row; at 20 KB a page they stay within the usual page cache."""
_DAY = 86_400_000_000


class Questions:
    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._bearer = {"Authorization": f"Bearer {loaded.secret}"}
        secret = base64.b64encode(f"{loaded.token}:{loaded.secret}".encode()).decode()
        self._basic = {"Authorization": f"Basic {secret}"}

    def gowa(self, jid: str, **params: object) -> Ask:
        """Messages of one chat, requested from the device that has it."""
        query = urlencode({"limit": PAGE} | params)
        headers = self._basic | {"X-Device-Id": self._loaded.chats[jid][0]}
        return Ask(f"/chat/{quote(jid, safe='')}/messages?{query}", headers)

    def periskope(self, phone: str | None = None, **params: object) -> Ask:
        """Messages across all chats, of both phones or of one."""
        query = urlencode({"limit": BIG_PAGE} | params)
        return Ask(f"/v1/chats/messages?{query}", self._bearer | ({"x-phone": phone} if phone else {}))

    def chats_with(self, messages: int = 0, media: int = 0, own: int = 0) -> list[str]:
        wanted = (messages, media, own)
        return sorted(
            jid
            for jid, (_, *counts) in self._loaded.chats.items()
            if all(n >= least for n, least in zip(counts, wanted, strict=True))
        )

    def newest(self) -> list[Ask]:
        """The newest page of small and big chats."""
        return self._of(self.chats_with(messages=PAGE), lambda jid, _: self.gowa(jid))

    def newest_of(self, jids: list[str]) -> list[Ask]:
        return [self.gowa(jid) for jid in jids]

    def across(self) -> list[Ask]:
        return [self.periskope(), *(self.periskope(number) for number, _ in PHONES)]

    def deep_in_chat(self, offset: int) -> list[Ask]:
        return [self.gowa(chats()[0].jid, offset=offset + PAGE * n) for n in range(100)]

    def deep_across(self, offset: int) -> list[Ask]:
        return [self.periskope(offset=offset + BIG_PAGE * n) for n in range(8)]

    def ranges(self) -> list[Ask]:
        """Some weeks of a chat with more than a page of messages in them."""

        def ask(jid: str, rng: random.Random) -> Ask:
            span = min(SPAN // 2, SPAN * PAGE * 3 // self._loaded.chats[jid][1]) + _DAY
            since = BEGIN + rng.randrange(SPAN - span)
            return self.gowa(jid, start_time=_iso(since), end_time=_iso(since + span))

        return self._of(self.chats_with(messages=PAGE * 10), ask)

    def media(self) -> list[Ask]:
        return self._of(self.chats_with(media=PAGE), lambda jid, _: self.gowa(jid, media_only="true"))

    def own(self) -> list[Ask]:
        return self._of(self.chats_with(own=PAGE), lambda jid, _: self.gowa(jid, is_from_me="true"))

    def searches(self) -> list[tuple[str, list[Ask], float]]:
        """Descriptions of searches, their requests, and the milliseconds of CPU that one may take."""
        by_use = vocabulary()
        in_big = f"in:{chats()[0].jid} "
        return [
            ("a rare word", self._searches(by_use[-400:]), 25),
            ("a common word", self._searches(by_use[:20]), 40),
            ("an absent word", self._searches([f"zq{word}zq" for word in by_use[:50]]), 20),
            ("a rare word in the big chat", self._searches(by_use[-400:], in_big), 25),
            ("a common word in the big chat", self._searches(by_use[:20], in_big), 40),
            ("one character of Chinese", self._searches(["好", "的"]), 20),
            ("two characters of Chinese", self._searches(["好的"]), 20),
            ("a quoted common word", self._searches([f'"{word}"' for word in by_use[:20]]), 20),
            ("a phrase of common words", self._searches([f'"{by_use[n]} {by_use[n + 1]}"' for n in range(20)]), 300),
            ("four words", self._searches([" ".join(by_use[n : n + 4]) for n in range(20)]), 80),
        ]

    def _searches(self, words: list[str], where: str = "") -> list[Ask]:
        queries = (urlencode({"q": where + word, "limit": PAGE, "context": 0}) for word in words)
        return [Ask(f"/api/search?{query}", self._bearer) for query in queries]

    def _of(self, jids: list[str], ask: Callable[[str, random.Random], Ask]) -> list[Ask]:
        rng = random.Random(7)
        return [ask(rng.choice(jids), rng) for _ in range(SAMPLE)]


def _iso(at: int) -> str:
    from backscroll.formats.timestamps import go_text

    return go_text(at)
