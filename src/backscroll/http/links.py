"""Signed addresses of media files, as the dialects show them."""

from __future__ import annotations

from backscroll.core.model import Media
from backscroll.dialects.links import Links, NoLinks
from backscroll.http.messages import Request
from backscroll.storage.files.media import MediaStore


class SignedLinks:
    """Links of the media store below the address that the client reached this server at."""

    def __init__(self, media: MediaStore, base_url: str) -> None:
        self._media = media
        self._base_url = base_url

    def media_url(self, org_no: int, media: Media) -> str | None:
        """The signed address of a file, None when the archive does not hold it."""
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
        """The signed address of a small picture, for images that the archive holds."""
        if media.file is None or not (media.mimetype or "").startswith("image/"):
            return None
        return self._base_url + self._media.sign(org_no, media.file, thumbnail=True)


def links_of(request: Request) -> Links:
    """Addresses of files under the name that the client called the server by; none without a media store."""
    media = request.app.media
    return SignedLinks(media, request.base_url) if media is not None else NoLinks()
