"""Signatures of what is sent: those of Standard Webhooks, and Periskope's."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from backscroll.core.webhooks import SECRET_PREFIX


def headers_of(secrets: Sequence[str], id: str, at: int, body: bytes, attempt: int = 1) -> dict[str, str]:
    """The headers of one request. ``secrets`` are those that count, the newest first; ``at`` in seconds since 1970.

    Standard Webhooks' header takes a signature of each. Periskope's takes one: while two count, attempts change
    between them, so that a receiver that knows either takes the event in the end.
    """
    one = secrets[(attempt - 1) % len(secrets)]
    return {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{standard_signature(secret, id, at, body)}" for secret in secrets),
        "x-periskope-signature": periskope_signature(one, body),
    }


def standard_signature(secret: str, id: str, at: int, body: bytes) -> str:
    """HMAC-SHA256 of ``id.timestamp.body`` in Base64, under the bytes that the secret spells."""
    signed = f"{id}.{at}.".encode() + body
    return base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    """A secret of our own spells its bytes in Base64; one that came along from another service is taken as written."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))


def periskope_signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of the body in hexadecimal, under the secret as it is written."""
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()
