-- compatible from: 5
-- Browsers that signed in with a token, and links that sign in once (storage/accounts/sessions.py). Of the secret only
-- the hash is kept. Of no use to a copy of the archive.
CREATE TABLE sessions (
    org BIGINT NOT NULL,
    session TEXT NOT NULL,
    hash BLOB NOT NULL,
    token TEXT NOT NULL,
    once BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (org, session)
) WITHOUT ROWID;
