"""Addresses of the files of messages: all that a dialect needs to know about the media store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from backscroll.core.model import Media


class Links(Protocol):
    """Signed addresses of the files that this archive holds."""

    def media_url(self, org_no: int, media: Media) -> str | None:
        """The address of the file, None if the archive does not have it."""

    def media_path(self, org_no: int, media: Media) -> str | None:
        """The path of the file relative to any base address of this server, without a leading slash and without a
        query.

        GOWA's programs put an address and a slash in front of it, and use its extension as the file's.
        """

    def thumbnail_url(self, org_no: int, media: Media) -> str | None:
        """The address of its thumbnail, None if the archive has none."""


class NoLinks:
    """An archive that serves no files: only the sources' own addresses are shown."""

    def media_url(self, org_no: int, media: Media) -> str | None:
        return None

    def media_path(self, org_no: int, media: Media) -> str | None:
        return None

    def thumbnail_url(self, org_no: int, media: Media) -> str | None:
        return None


def first_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Query parameters by name; if one is repeated, its first value counts."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values.setdefault(name, value)
    return values
