-- What persons ask of runs that another process may drive: to open a gate, to hold, to go back. Whoever has the journal's key
-- may leave one, without the run's lease. The process that drives the run takes it up, and an event tells what it did.
CREATE TABLE signals (
    run_id TEXT NOT NULL REFERENCES runs (id),
    n      INTEGER NOT NULL CHECK (n > 0),
    signal TEXT NOT NULL CHECK (signal IN ('promote', 'promote-fully', 'pause', 'unpause', 'abort')),
    by     TEXT NOT NULL,
    at     INTEGER NOT NULL,
    reason TEXT,
    mac    BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (run_id, n)
) STRICT, WITHOUT ROWID;
