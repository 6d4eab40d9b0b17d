-- What each own phone's sources told of a contact, so that who may read some phones sees no name that only another phone
-- knows (storage/records/contact_facts.py). An older program would not keep this up, so it may not go on.
-- told_by: the phone whose sources told all of it, 0 when it is for readers of every phone, as all that was told before
-- this, and -1 when contact_facts has a row for each phone (0 again for what is told to everybody).

ALTER TABLE contacts ADD COLUMN told_by BIGINT NOT NULL DEFAULT 0;

CREATE TABLE contact_facts (
    org BIGINT NOT NULL,
    contact BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    facts TEXT NOT NULL,
    is_named BIGINT NOT NULL,
    PRIMARY KEY (org, contact, phone)
) WITHOUT ROWID;
