"""A history that a phone sends at once: 200 chats of 250 messages. Run as a script, it spools one in a folder."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waCommon import WACommon_pb2 as common
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
from neonize.proto.waHistorySync import WAWebProtobufsHistorySync_pb2 as sync
from neonize.proto.waWeb import WAWebProtobufsWeb_pb2 as web

from backscroll.linked.spool import Spool

CHATS, EACH = 200, 250


def history() -> bytes:
    """Texts of all lengths, pictures with thumbnails, quotes, reactions, groups of many people."""
    chance = random.Random(9)
    data = sync.HistorySync(syncType=sync.HistorySync.INITIAL_BOOTSTRAP, progress=100)
    for chat in range(CHATS):
        group = chat % 4 == 0
        jid = f"1203630000000{chat:04}@g.us" if group else f"49155510{chat:05}@s.whatsapp.net"
        conversation = data.conversations.add(ID=jid, name=f"Chat {chat}", lastMsgTimestamp=1_790_000_000)
        for n in range(EACH):
            author = f"49155520{chance.randrange(30):05}@s.whatsapp.net" if group else None
            key = common.MessageKey(
                ID=f"H{chat:04}X{n:06}", fromMe=n % 3 == 0, remoteJID=jid, participant=None if n % 3 == 0 else author
            )
            info = web.WebMessageInfo(key=key, messageTimestamp=1_780_000_000 + n * 60, pushName=f"Person {n % 30}")
            if n % 10 == 0:
                info.message.imageMessage.CopyFrom(
                    e2e.ImageMessage(
                        mimetype="image/jpeg",
                        caption="a picture",
                        fileSHA256=chance.randbytes(32),
                        mediaKey=chance.randbytes(32),
                        directPath="/v/t62.7118-24/" + "x" * 60,
                        fileLength=90_000,
                        JPEGThumbnail=chance.randbytes(2500),
                    )
                )
            else:
                info.message.conversation = "word " * chance.randrange(1, 120)
            if n % 7 == 0:
                reacted = common.MessageKey(ID=f"R{n}", remoteJID=jid, participant=author)
                info.reactions.add(key=reacted, text="👍", senderTimestampMS=1_780_000_000_000)
            conversation.messages.add(message=info, msgOrderID=n)
    return bytes(neonize.HistorySync(Data=data).SerializeToString())


if __name__ == "__main__":
    Spool(Path(sys.argv[1]), itertools.count(1).__next__).append(13, history())
