"""How each sender proves that a payload is its own. Every comparison takes the same time, right or wrong."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

HEADERS = {"gowa": "x-hub-signature-256", "cloud": "x-hub-signature-256", "waha": "x-webhook-hmac"}
HEADERS |= {"periskope": "x-periskope-signature"}


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not show how much of them is."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def sign(kind: str, secret: str, body: bytes) -> dict[str, str]:
    """The header that this kind of sender adds; none for those that prove themselves by the address or a token."""
    key = secret.encode()
    match kind:
        case "gowa" | "cloud":
            return {HEADERS[kind]: "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()}
        case "periskope":
            return {HEADERS[kind]: hmac.new(key, body, hashlib.sha256).hexdigest()}
        case "waha":
            digest = hmac.new(key, body, hashlib.sha512).hexdigest()
            return {HEADERS[kind]: digest, "x-webhook-hmac-algorithm": "sha512"}
        case "events":
            return {"authorization": f"Bearer {secret}"}
    return {}


def is_signed(kind: str, secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the raw ``body`` was signed with ``secret`` in the way of this kind."""
    header = HEADERS[kind]
    if kind == "waha" and headers.get("x-webhook-hmac-algorithm", "sha512").lower() != "sha512":
        return False
    sent = headers.get(header, "").strip().lower()
    return bool(sent) and same(sent, sign(kind, secret, body)[header])


def is_own_token(token: str, key: str, now: float) -> bool:
    """Whether a JSON Web Token was signed with ``key`` (HS256, as Evolution does it) and is in force at ``now``."""
    try:
        head, payload, signature = token.split(".")
        header, claims = _json_part(head), _json_part(payload)
        sent = _base64url(signature)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        return False
    # The algorithm is ours to choose, not the token's: "none" and public keys have been tried on others.
    expected = hmac.new(key.encode(), f"{head}.{payload}".encode(), hashlib.sha256).digest()
    if header.get("alg") != "HS256" or not hmac.compare_digest(sent, expected):
        return False
    return _is_in_force(claims, now)


def _is_in_force(claims: dict[str, Any], now: float) -> bool:
    from_, until = claims.get("nbf", 0), claims.get("exp", now + 1)
    return all(isinstance(moment, int | float) for moment in (from_, until)) and from_ <= now + 60 and now - 60 < until


def _json_part(part: str) -> dict[str, Any]:
    return msgspec.json.decode(_base64url(part), type=dict[str, Any])


def _base64url(part: str) -> bytes:
    return base64.urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
