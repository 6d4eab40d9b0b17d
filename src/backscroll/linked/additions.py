"""Additions to a message that are encrypted with its secret: votes, reactions and comments in announcement groups,
edits.

The scheme is that of WhatsApp's clients: AES-256-GCM under a key that HKDF-SHA256 derives from the message's secret,
the message's id, its sender, who adds, and the kind of addition. People appear in it by number or by hidden id,
whichever the sending client took, so all spellings that are known are tried; GCM itself tells the right one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

from backscroll.linked.local import Secret

_BOUND = frozenset({"Poll Vote", "Event Response"})
"""Uses whose ciphertext is bound to the message and the sender once more."""
_SECRET_USES = {"EVENT_EDIT": "Event Edit", "MESSAGE_EDIT": "Message Edit", "POLL_EDIT": "Poll Edit"}


class Sealed(Struct, frozen=True):
    """An encrypted addition: to which message, for what use, and what it opens to."""

    id: str
    use: str
    iv: bytes
    payload: bytes
    opens_to: Any
    """A kind of protobuf."""


def sealed_in(message: Any) -> Sealed | None:
    """The encrypted addition that a message is; None when it is none that is known."""
    if message.HasField("pollUpdateMessage") and message.pollUpdateMessage.vote.encPayload:
        update = message.pollUpdateMessage
        id, vote = update.pollCreationMessageKey.ID, update.vote
        return Sealed(id, "Poll Vote", vote.encIV, vote.encPayload, e2e.PollVoteMessage)
    if message.HasField("encReactionMessage"):
        part = message.encReactionMessage
        return Sealed(part.targetMessageKey.ID, "Enc Reaction", part.encIV, part.encPayload, e2e.ReactionMessage)
    if message.HasField("encCommentMessage"):
        part = message.encCommentMessage
        return Sealed(part.targetMessageKey.ID, "Enc Comment", part.encIV, part.encPayload, e2e.Message)
    if message.HasField("secretEncryptedMessage"):
        part = message.secretEncryptedMessage
        use = _SECRET_USES.get(e2e.SecretEncryptedMessage.SecretEncType.Name(part.secretEncType))
        if use is not None:
            return Sealed(part.targetMessageKey.ID, use, part.encIV, part.encPayload, e2e.Message)
    return None


def opened(sealed: Sealed, secrets: Iterable[Secret], senders: Iterable[str], adders: Iterable[str]) -> Any:
    """What the addition says, as ``opens_to``; None when none of the secrets and spellings fits.

    ``senders`` are spellings of who wrote the message, ``adders`` of who adds to it, without device numbers.
    """
    adders = list(dict.fromkeys(adders))
    others = list(dict.fromkeys(senders))
    for secret in secrets:
        for sender in dict.fromkeys((secret.sender, *others)):
            for adder in adders:
                plaintext = _decrypted(sealed, secret.secret, sender, adder)
                if plaintext is not None:
                    message = sealed.opens_to()
                    message.ParseFromString(plaintext)
                    return message
    return None


def _decrypted(sealed: Sealed, secret: bytes, sender: str, adder: str) -> bytes | None:
    try:
        return AESGCM(key_of(sealed.id, sealed.use, secret, sender, adder)).decrypt(
            sealed.iv, sealed.payload, bound_to(sealed.id, sealed.use, adder)
        )
    except (InvalidTag, ValueError):
        return None


def key_of(id: str, use: str, secret: bytes, sender: str, adder: str) -> bytes:
    """The key of an addition."""
    info = f"{id}{sender}{adder}{use}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def bound_to(id: str, use: str, adder: str) -> bytes | None:
    """What the ciphertext is bound to besides."""
    return f"{id}\0{adder}".encode() if use in _BOUND else None
