"""``backscroll coverage``: which source covers which period, and where messages may be missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from backscroll.cli.common import (
    json_option,
    opened_store,
    org_of,
    org_option,
    phone_of,
    settings_of,
    shared_options,
    show,
)
from backscroll.core.coverage import CoveragePage, Covered
from backscroll.core.model import Org
from backscroll.core.query import ChatQuery
from backscroll.core.text import counted
from backscroll.dialects.native.coverage import (
    chat_coverage_object,
    command_of,
    evidence_text,
    gap_text,
    moment,
    phone_object,
    source_text,
)

if TYPE_CHECKING:
    from backscroll.storage.store import Store

PAGE = 100


@click.command()
@org_option
@click.option("--phone", metavar="NUMBER", help="Only this phone of yours.")
@click.option("--chat", metavar="JID", help="Only this chat: its JID, or a person's number.")
@click.option("--all", "every", is_flag=True, help="Also show chats without gaps.")
@json_option
@shared_options
@click.pass_context
def coverage(
    ctx: click.Context, org: str | None, phone: str | None, chat: str | None, every: bool, as_json: bool
) -> None:
    """Show which source covers which period, and where messages may be missing.

    In a period that no source covers, messages may be missing from the archive. Times are in UTC.

    \b
    Example:
      backscroll coverage --phone 919876543210
    """
    settings = settings_of(ctx)
    with opened_store(settings) as store:
        owner = org_of(store, org)
        own = [phone_of(store, owner, phone)] if phone else [*store.list_phones(owner.no)]
        pages = list(_pages(store, owner, [one.no for one in own], chat))
    row = {
        "phones": [phone_object(told) for page in pages for told in page.phones],
        "items": [chat_coverage_object(told) for page in pages for told in page.chats],
    }
    show(row, as_json, lambda: "\n".join(_lines(pages, every or chat is not None)))


def _pages(store: Store, owner: Org, phones: list[int], chat: str | None) -> Iterator[CoveragePage]:
    from backscroll.storage.read.coverage import Coverages

    if chat is not None:
        for phone in phones:
            query = ChatQuery(org=owner.no, phones=(phone,), limit=1)
            if store.find_chat(owner.no, (phone,), chat) is not None or len(phones) == 1:
                yield store.ask(owner.no, lambda reading, query=query: Coverages(reading, _now()).page(query, chat))  # type: ignore[misc]
        return
    after = None
    while True:
        query = ChatQuery(org=owner.no, phones=tuple(phones), limit=PAGE, after=after)
        page = store.ask(owner.no, lambda reading, query=query: Coverages(reading, _now()).page(query, None))  # type: ignore[misc]
        yield page
        if len(page.chats) < PAGE or page.place is None:
            return
        after = page.place


def _now() -> int:
    return time.time_ns() // 1000


def _lines(pages: list[CoveragePage], every: bool) -> Iterator[str]:
    complete = 0
    for page in pages:
        for phone in page.phones:
            title = f"Phone {phone.phone.number}{f' ({phone.phone.name})' if phone.phone.name else ''}"
            yield f"{title}: {counted(phone.messages, 'message')}{_reach(phone.covered)}"
            yield from _details(phone.covered)
    for page in pages:
        for chat in page.chats:
            if not every and not chat.covered.gaps:
                complete += 1
                continue
            yield f"\n{chat.name or chat.jid} ({chat.jid}): {counted(chat.messages, 'message')}{_reach(chat.covered)}"
            yield from _details(chat.covered)
    if complete:
        yield f"\n{counted(complete, 'chat')} without a suspected gap; --all shows them."


def _reach(covered: Covered) -> str:
    if covered.since is None or covered.until is None:
        return ", not covered by any source"
    return f", covered from {moment(covered.since)} to {moment(covered.until)}"


def _details(covered: Covered) -> Iterator[str]:
    for span in covered.spans:
        now = ", listening now" if span.live else ""
        scope = " (all chats)" if span.whole_phone else ""
        yield f"  {moment(span.since)} to {moment(span.until)}: {source_text(span.teller)}{scope}{now}"
    for gap in covered.gaps:
        yield f"  GAP {gap_text(gap)}"
        yield from (f"      {evidence_text(one)}" for one in gap.evidence)
        if command := command_of(gap):
            yield f"      To fill it: {command}"
    if covered.more_spans or covered.more_gaps:
        yield "  … and older ones."
