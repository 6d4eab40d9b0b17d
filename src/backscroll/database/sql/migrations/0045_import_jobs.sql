-- compatible from: 10
-- What a person gave to be imported, as a job: its files on their way, what was recognised, asked and answered, and how
-- far the work is (ingest/importing). found, questions, answers, progress and error are JSON; secrets are sealed and
-- go when the job is over. Times are microseconds.
CREATE TABLE import_jobs (
    org BIGINT NOT NULL,
    job TEXT NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    name TEXT NOT NULL,
    phone TEXT,
    kind TEXT,
    answers TEXT NOT NULL,
    secrets BLOB,
    confirm BIGINT NOT NULL,
    spooled BIGINT NOT NULL,
    found TEXT NOT NULL,
    questions TEXT NOT NULL,
    progress TEXT,
    error TEXT,
    notes TEXT NOT NULL,
    request_key TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (org, job)
) WITHOUT ROWID;
CREATE INDEX import_jobs_created ON import_jobs (org, created_at, job);
CREATE INDEX import_jobs_open ON import_jobs (org, state) WHERE finished_at IS NULL;
CREATE INDEX import_jobs_updated ON import_jobs (org, updated_at);
CREATE INDEX import_jobs_key ON import_jobs (org, request_key) WHERE request_key IS NOT NULL;

-- The files of a job, and how many bytes of each are on the disk for good.
CREATE TABLE import_uploads (
    org BIGINT NOT NULL,
    job TEXT NOT NULL,
    file BIGINT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (org, job, file)
) WITHOUT ROWID;

-- The job that an import is part of; NULL for what was pulled, and for what is older than jobs.
ALTER TABLE imports ADD COLUMN job TEXT;
CREATE INDEX imports_of_jobs ON imports (org, job, import) WHERE job IS NOT NULL;
CREATE INDEX imports_without_job ON imports (org, started_at, import) WHERE job IS NULL AND sha256 IS NOT NULL;
