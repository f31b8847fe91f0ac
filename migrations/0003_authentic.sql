-- Rows are authenticated with a key that is derived from the journal's, so that whoever can write the file and has not the
-- key changes nothing unseen. Where these columns are empty, the row is of before: all of them are filled when the journal
-- is first opened for writing.

-- 1: begun when rows were not authenticated yet, and taken as it stood when that began. 2: not authenticated, and not
-- shown by anything sealed to be of before: never taken up.
ALTER TABLE runs ADD COLUMN is_of_before INTEGER NOT NULL DEFAULT 0 CHECK (is_of_before IN (0, 1, 2));
-- Of what never changes: the workflow, its input, the context.
ALTER TABLE runs ADD COLUMN origin_mac BLOB CHECK (origin_mac IS NULL OR length(origin_mac) = 32);
-- Of all facts and of all targets of the run, so that none is taken away or put back.
ALTER TABLE runs ADD COLUMN facts_mac BLOB CHECK (facts_mac IS NULL OR length(facts_mac) = 32);
ALTER TABLE runs ADD COLUMN targets_mac BLOB CHECK (targets_mac IS NULL OR length(targets_mac) = 32);
-- Of where the run stands, the number of its last event, and the three above; not of the lease, which the heartbeat moves.
ALTER TABLE runs ADD COLUMN mac BLOB CHECK (mac IS NULL OR length(mac) = 32);

-- The last event about the step when it was written: an older row that is put back has an older one.
ALTER TABLE steps ADD COLUMN as_of INTEGER;
ALTER TABLE steps ADD COLUMN mac BLOB CHECK (mac IS NULL OR length(mac) = 32);

ALTER TABLE events ADD COLUMN mac BLOB CHECK (mac IS NULL OR length(mac) = 32);

-- How many runs there are, so that none is taken away as a whole.
ALTER TABLE canary ADD COLUMN n_runs INTEGER;
ALTER TABLE canary ADD COLUMN mac BLOB CHECK (mac IS NULL OR length(mac) = 32);
