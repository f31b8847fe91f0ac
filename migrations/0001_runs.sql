-- The journal of deployctl. Migrations are only ever added, never edited.
-- Times are milliseconds since 1970 UTC, so that they sort and compare without parsing.

-- One row a run. The lease is in the row, so that "is it mine" and "change it" are one statement.
CREATE TABLE runs (
    id               TEXT PRIMARY KEY NOT NULL,
    -- Orders runs; unlike created_at it can neither repeat nor jump back.
    number           INTEGER NOT NULL UNIQUE,
    workflow         TEXT NOT NULL,
    workflow_version INTEGER NOT NULL,
    name             TEXT NOT NULL,
    input            TEXT NOT NULL CHECK (json_valid(input)),
    -- What resume needs besides the input, and the workflow does not see: where the credentials are.
    context          TEXT NOT NULL CHECK (json_valid(context)),
    on_failure       TEXT NOT NULL CHECK (on_failure IN ('rollback', 'halt')),
    state            TEXT NOT NULL CHECK (state IN ('running', 'suspended', 'failed', 'rolling-back',
                                                    'rolled-back', 'stuck', 'succeeded')),
    direction        TEXT NOT NULL CHECK (direction IN ('forward', 'backward')),
    -- Whether it ever succeeded, also when it was rolled back since: such a run supersedes earlier ones.
    has_succeeded    INTEGER NOT NULL DEFAULT 0 CHECK (has_succeeded IN (0, 1)),
    error            TEXT CHECK (error IS NULL OR json_valid(error)),
    created_at       INTEGER NOT NULL,
    finished_at      INTEGER,
    fence            INTEGER NOT NULL,
    holder           TEXT CHECK (holder IS NULL OR json_valid(holder)),
    lease_until      INTEGER,
    last_event       INTEGER NOT NULL,
    CHECK ((holder IS NULL) = (lease_until IS NULL))
) STRICT;

-- One row a step: what was asked, whether it happened, and how it was undone.
CREATE TABLE steps (
    run_id               TEXT NOT NULL REFERENCES runs (id),
    seq                  INTEGER NOT NULL CHECK (seq > 0),
    activity             TEXT NOT NULL,
    subject              TEXT,
    effect               TEXT NOT NULL CHECK (effect IN ('read', 'wait', 'mutation')),
    input                TEXT NOT NULL CHECK (json_valid(input)),
    -- Of the input without its secrets: tells on resume whether the code still asks for the same step.
    input_digest         TEXT NOT NULL,
    status               TEXT NOT NULL CHECK (status IN ('begun', 'completed', 'failed')),
    attempt              INTEGER NOT NULL CHECK (attempt > 0),
    output               TEXT CHECK (output IS NULL OR json_valid(output)),
    failure              TEXT CHECK (failure IS NULL OR json_valid(failure)),
    begun_at             INTEGER NOT NULL,
    finished_at          INTEGER,
    -- Since when attempts fail, and when the next may be made: a restart neither hammers nor starts over.
    retry_since          INTEGER,
    next_attempt_at      INTEGER,
    undo_status          TEXT CHECK (undo_status IN ('begun', 'completed', 'failed', 'skipped')),
    undo_attempt         INTEGER NOT NULL DEFAULT 0,
    undo_failure         TEXT CHECK (undo_failure IS NULL OR json_valid(undo_failure)),
    undo_begun_at        INTEGER,
    undo_finished_at     INTEGER,
    undo_retry_since     INTEGER,
    undo_next_attempt_at INTEGER,
    PRIMARY KEY (run_id, seq),
    CHECK ((status = 'completed') = (output IS NOT NULL)),
    CHECK ((undo_status IS NULL) = (undo_begun_at IS NULL))
) STRICT, WITHOUT ROWID;

-- What happened, in order; written in the transaction of the change that it tells of.
CREATE TABLE events (
    run_id TEXT NOT NULL REFERENCES runs (id),
    n      INTEGER NOT NULL CHECK (n > 0),
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL CHECK (json_valid(kind)),
    PRIMARY KEY (run_id, n)
) STRICT, WITHOUT ROWID;

-- Small public facts that steps and compensations leave for others: ids, addresses.
CREATE TABLE facts (
    run_id TEXT NOT NULL REFERENCES runs (id),
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (run_id, name)
) STRICT, WITHOUT ROWID;

-- Which runs concern which targets; kept after the run, to know what supersedes what.
CREATE TABLE targets (
    run_id TEXT NOT NULL REFERENCES runs (id),
    target TEXT NOT NULL,
    held   INTEGER NOT NULL CHECK (held IN (0, 1)),
    PRIMARY KEY (run_id, target)
) STRICT, WITHOUT ROWID;

-- At most one active run a target; the constraint is the lock.
CREATE UNIQUE INDEX targets_held ON targets (target) WHERE held = 1;
