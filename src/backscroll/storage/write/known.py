"""What the archive holds about ids of messages, in words of today's contacts, read for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from backscroll.core.model import Message
from backscroll.database.protocol import Txn
from backscroll.formats.jsontext import encode
from backscroll.storage.records.chunks import chunks
from backscroll.storage.records.identity import ContactResolver
from backscroll.storage.records.resolve import (
    Annotation,
    AnnotationKey,
    Observation,
    annotation_told_by,
    decode_told,
    observation,
    put_latest,
)
from backscroll.storage.records.rows import OBSERVED, AnnotationRow, MessageRow, ObservationRow, observation_of, row_of
from backscroll.storage.records.tellers import decode_tellers
from backscroll.storage.write.event_collector import Key
from backscroll.storage.write.message_writer import ChatKey

_MESSAGE = msgspec.json.Decoder(Message)


class Known(Struct):
    """What the archive holds about one id of a chat."""

    rows: list[MessageRow] = []
    observations: list[Observation] = []
    kept: list[Observation] = []
    """Those of ``observations`` that have rows of their own."""
    annotations: dict[AnnotationKey, Annotation] = {}
    chats: set[int] = set()
    """Numbers of the chats under which its observations and annotations are stored; several during a merge."""
    renamed: bool = False
    """Some observations or annotations are stored under numbers of merged contacts and must be rewritten."""

    def without(self, tellers: Collection[int]) -> Known:
        """The same without what these tellers reported. ``rows`` and ``kept`` remain as they are in the archive now."""
        return self._told_by(lambda teller: teller not in tellers)

    def only(self, tellers: Collection[int]) -> Known:
        """Only what these tellers reported."""
        return self._told_by(lambda teller: teller in tellers)

    def _told_by(self, counts: Callable[[int], bool]) -> Known:
        told = [structs.replace(t, told=tuple(filter(counts, t.told))) for t in self.observations]
        left = {key: annotation_told_by(a, counts) for key, a in self.annotations.items()}
        annotations = {key: a for key, a in left.items() if a is not None}
        return structs.replace(self, observations=[t for t in told if t.told], annotations=annotations)


Wanted = Mapping[ChatKey, Sequence[str]]
"""Ids by phone and chat."""


class KnownReader:
    """Looks up ids in one transaction. Buffered rows must be written first."""

    def __init__(self, tx: Txn, org: int, resolver: ContactResolver) -> None:
        self._tx = tx
        self._org = org
        self._resolver = resolver

    def met(self, wanted: Wanted) -> set[Key]:
        """Which of these ids have a message in the archive, or observations or annotations waiting for one."""
        keys = {(*where, id) for where, ids in wanted.items() for id in ids}
        found: set[Key] = set()
        for part in chunks(sorted({id for _, _, id in keys})):
            rows = self._tx.all("places_by_id", {"org": self._org, "ids": part})
            found.update((phone, self._resolver.resolve(chat), id) for phone, chat, id in rows)
        found &= keys
        return found | self._annotated(keys - found)

    def _annotated(self, keys: Collection[Key]) -> set[Key]:
        """Which of these have annotations, also under numbers of contacts that were merged."""
        chats = {chat: self._resolver.numbers_of(chat) for _, chat, _ in keys}
        stored = sorted((phone, number, id) for phone, chat, id in keys for number in chats[chat])
        asks = [("keys_with_annotations", {"org": self._org, "keys": encode(part).decode()}) for part in chunks(stored)]
        rows = [row for rows in self._tx.several(asks) for row in rows]
        return {(phone, self._resolver.resolve(chat), id) for phone, chat, id in rows}

    def of(self, wanted: Wanted) -> dict[Key, Known]:
        """What the archive holds about these ids, including what is still stored under numbers of merged chats."""
        known: dict[Key, Known] = {(*where, id): Known() for where, ids in wanted.items() for id in ids}
        rows: list[tuple[Known, MessageRow]] = []
        for part in chunks(sorted({id for _, _, id in known})):
            for row in map(row_of, self._tx.all("rows_by_ids", {"org": self._org, "ids": part})):
                about = known.get((row.phone, self._resolver.resolve(row.chat), row.id))
                if about is not None:
                    rows.append((about, row))
        asked = list(self._by_chat(wanted))
        asks = [(name, params) for name in ("known_observations", "known_annotations") for _, params in asked]
        answers = self._tx.several(asks)
        observed, added = answers[: len(asked)], answers[len(asked) :]
        self._recall(
            rows,
            [(known[(*where, r.id)], r) for (where, _), some in zip(asked, observed, strict=True) for r in _told(some)],
            [(known[(*where, r.id)], r) for (where, _), some in zip(asked, added, strict=True) for r in _added(some)],
        )
        return known

    def under(self, phone: int, chats: tuple[int, ...], wanted: Sequence[str]) -> dict[str, Known]:
        """What the archive holds about some ids of a phone under exactly these chat numbers."""
        known: dict[str, Known] = {id: Known() for id in wanted}
        base: dict[str, Any] = {"org": self._org, "phone": phone, "phones": (phone,), "chats": chats}
        names = ("rows_by_id", "known_observations", "known_annotations")
        found = {
            name: [row for part in chunks(wanted) for row in self._tx.all(name, base | {"ids": part})] for name in names
        }
        self._recall(
            [(known[row.id], row) for row in map(row_of, found["rows_by_id"])],
            [(known[row.id], row) for row in _told(found["known_observations"])],
            [(known[row.id], row) for row in _added(found["known_annotations"])],
        )
        return known

    def _by_chat(self, wanted: Wanted) -> Iterable[tuple[ChatKey, dict[str, Any]]]:
        """Each chat with the parameters of a statement, which contain at most as many ids as one statement takes."""
        for (phone, chat), ids in wanted.items():
            chats = self._resolver.numbers_of(chat)
            for part in chunks(ids):
                yield (phone, chat), {"org": self._org, "phone": phone, "chats": chats, "ids": part}

    def _recall(
        self,
        rows: list[tuple[Known, MessageRow]],
        observations: list[tuple[Known, ObservationRow]],
        annotations: list[tuple[Known, AnnotationRow]],
    ) -> None:
        self._resolver.load(
            {row.sender for _, row in rows}
            | {observed.sender for _, observed in observations}
            | {added.actor for _, added in annotations}
            | {added.target for _, added in annotations}
        )
        provenance = self._resolver.provenance
        provenance.expect_retold(row.no for _, row in rows)
        tellers = provenance.tellers_of([row.no for _, row in rows if not row.flags & OBSERVED])
        for known, row in rows:
            known.rows.append(row)
            if not row.flags & OBSERVED:
                sender = self._resolver.resolve(row.sender)
                known.observations.append(observation(sender, row.source, observation_of(row), tellers[row.no]))
        for known, observed in observations:
            self._recall_observation(known, observed)
        for known, added in annotations:
            self._recall_annotation(known, added)

    def _recall_observation(self, known: Known, row: ObservationRow) -> None:
        today = self._resolver.resolve(row.sender)
        kept = Observation(today, row.source, _MESSAGE.decode(row.message), row.digest, decode_tellers(row.told))
        known.observations.append(kept)
        known.kept.append(kept)
        known.chats.add(row.chat)
        known.renamed |= today != row.sender

    def _recall_annotation(self, known: Known, row: AnnotationRow) -> None:
        actor, target = self._resolver.resolve(row.actor), self._resolver.resolve(row.target)
        told = decode_told(row.told, row.at, row.value)
        put_latest(known.annotations, Annotation(row.kind, actor, target, row.ref, row.at, row.value, told))
        known.chats.add(row.chat)
        known.renamed |= (actor, target) != (row.actor, row.target)


def _told(rows: Iterable[tuple[Any, ...]]) -> Iterable[ObservationRow]:
    return (ObservationRow(*row) for row in rows)


def _added(rows: Iterable[tuple[Any, ...]]) -> Iterable[AnnotationRow]:
    return (AnnotationRow(*row) for row in rows)
