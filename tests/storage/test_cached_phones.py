"""Own phones are cached together with names: whatever changes a phone must be seen by readers that have the cache."""

from __future__ import annotations

from functools import partial

from backscroll.core.events import Batch, PhoneSeen
from backscroll.core.imports import NewImport
from backscroll.core.model import Org, Phone
from backscroll.storage.read.changes import changes_after
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id

OTHER = "6289685028129"


def cached(store: Store, org: Org) -> tuple[Phone, ...]:
    """The phones as readers know them."""
    return store.ask(org.no, lambda reading: tuple(own.phone for own in reading.names.phones.values()))


def test_readers_see_each_change_of_a_phone(store: Store, org: Org, phone: Phone) -> None:
    source = store.sources.add(
        LiveSource(org=org.no, id=make_source_id(org.no), kind="gowa", phone=phone.no), SourceSecrets("secret")
    )
    seen = [cached(store, org)]

    def check() -> None:
        assert cached(store, org) == store.list_phones(org.no)
        assert cached(store, org) != seen[-1]
        seen.append(cached(store, org))

    store.sources.connect(org.no, phone.no, "CONNECTED")
    check()
    store.sources.connect(org.no, phone.no, "DISCONNECTED")
    check()
    store.add_phone(org.no, phone.number, name="Front desk")
    check()
    event = PhoneSeen(jid=phone.jid, device_id="desk-2")
    store.apply(org.no, Batch(source="gowa", events=(event,)))
    check()
    # The phone has no other source, so its state is no longer known.
    store.sources.remove(source.id)
    check()
    begun = store.begin_import(org.no, NewImport(kind="jsonl", file="other.jsonl"))
    batch = Batch(source="backup", events=(PhoneSeen(jid=f"{OTHER}@s.whatsapp.net"),), import_id=begun.id)
    store.apply(org.no, batch)
    check()
    store.finish_import(org.no, begun.id, None)
    store.undo_import(org.no, begun.id)
    check()


def test_the_feed_shows_the_state_that_it_announces(store: Store, org: Org, phone: Phone) -> None:
    cached(store, org)
    for state in ("CONNECTED", "DISCONNECTED"):
        before = store.version(org.no)
        store.sources.connect(org.no, phone.no, state)
        changes = store.ask(org.no, partial(changes_after, phones=[phone.no], after=before, limit=50))
        assert [(line.phone.state if line.phone else None, line.aspects) for line in changes.lines] == [
            (state, ("state",))
        ]
