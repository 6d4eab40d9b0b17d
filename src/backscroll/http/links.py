"""Signed addresses of media files, for the dialects."""

from __future__ import annotations

from backscroll.core.model import Media
from backscroll.dialects.links import Links, NoLinks
from backscroll.http.messages import Request
from backscroll.storage.files.media import MediaStore


class SignedLinks:
    """Links to the media store, below the address at which the client reached this server."""

    def __init__(self, media: MediaStore, base_url: str) -> None:
        self._media = media
        self._base_url = base_url

    def media_url(self, org_no: int, media: Media) -> str | None:
        """The signed address of a file, None if the archive does not have it."""
        if media.file is None:
            return None
        return self._base_url + self._media.sign(org_no, media.file, filename=media.filename, mimetype=media.mimetype)

    def media_path(self, org_no: int, media: Media) -> str | None:
        """The same without the server, as GOWA gives it: a path without a leading slash."""
        if media.file is None:
            return None
        signed = self._media.sign_path(org_no, media.file, filename=media.filename, mimetype=media.mimetype)
        return signed.removeprefix("/")

    def thumbnail_url(self, org_no: int, media: Media) -> str | None:
        """The signed address of a thumbnail, for images that the archive has."""
        if media.file is None or not (media.mimetype or "").startswith("image/"):
            return None
        return self._base_url + self._media.sign(org_no, media.file, thumbnail=True)


def links_of(request: Request) -> Links:
    """Addresses of files below the address that the client used for the server; none without a media store."""
    media = request.app.media
    return SignedLinks(media, request.base_url) if media is not None else NoLinks()
