-- compatible from: 41
-- What each import (0: live sources) told of a label of an own phone: registers, as in chats.facts, which tell which chats
-- have the label (storage/records/labels.py).
CREATE TABLE labels (
    org BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    label TEXT NOT NULL,
    import BIGINT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (org, phone, label, import)
) WITHOUT ROWID;
