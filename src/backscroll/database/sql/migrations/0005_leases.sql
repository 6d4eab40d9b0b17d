-- compatible from: 2
-- Work that one process at a time does, and who does it until when (storage/leases.py). term is another one with each
-- holder, so that a holder that was thought dead notices. Of no use to a copy of the archive.
CREATE TABLE leases (
    org BIGINT NOT NULL,
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    term BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    PRIMARY KEY (org, name)
) WITHOUT ROWID;
