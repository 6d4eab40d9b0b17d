"""Observations and annotations of messages, stored beside the messages' rows; many rows per statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import structs

from backscroll.database.protocol import Txn
from backscroll.storage.records.resolve import Annotation, AnnotationKey, Observation, encode_told
from backscroll.storage.records.tellers import Tellers, encode_tellers
from backscroll.storage.write.known import Known

_ENCODER = msgspec.json.Encoder()


class ToldRows:
    """Buffers the observations and annotations that one transaction writes until ``flush``."""

    def __init__(self, tx: Txn, org: int) -> None:
        self._tx = tx
        self._org = org
        self._observations: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._annotations: dict[tuple[Any, ...], dict[str, Any]] = {}

    def write(
        self,
        phone: int,
        chat: int,
        id: str,
        known: Known,
        observations: list[Observation],
        annotations: dict[AnnotationKey, Annotation],
    ) -> None:
        """Replace the observations and annotations of an id, which so far were those in ``known``, by these."""
        base = {"org": self._org, "phone": phone, "chat": chat, "id": id}
        moved = known.renamed or bool(known.chats - {chat})
        anew = moved or bool(known.annotations.keys() - annotations.keys())
        if moved or _marks(observations) != _marks(known.kept):
            for old in known.chats:
                self._delete("delete_observations", base | {"chat": old})
            for t in observations:
                observed = {"sender": t.sender, "source": t.source, "digest": t.digest, "told": encode_tellers(t.told)}
                observed["message"] = _ENCODER.encode(t.message).decode()
                self._observations.setdefault((phone, chat, id, t.sender, t.source, t.digest), base | observed)
        if anew:
            for old in known.chats:
                self._delete("delete_annotations", base | {"chat": old})
        for key, annotation in annotations.items():
            if anew or known.annotations.get(key) != annotation:
                told = structs.asdict(annotation) | {"told": encode_told(annotation)}
                self._annotations[(phone, chat, id, *key)] = base | told

    def _delete(self, name: str, params: dict[str, Any]) -> None:
        # Buffered rows are older than this deletion, so they must be written first for it to delete them too.
        self.flush()
        self._tx.run(name, params)

    def flush(self) -> None:
        """Write the buffered rows, so that they can be read."""
        if self._observations:
            self._tx.many("add_observation", self._observations.values())
            self._observations = {}
        if self._annotations:
            self._tx.many("save_annotation", self._annotations.values())
            self._annotations = {}


def _marks(observations: Iterable[Observation]) -> list[tuple[int, str, str, Tellers]]:
    return sorted((t.sender, t.source, t.digest, t.told) for t in observations)
