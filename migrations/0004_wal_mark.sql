-- Whether the write-ahead log holds more than the file. Before a process goes on with a run, what it is about to do is
-- announced, and the file is brought up to date; its next commit, which stands in the log alone, confirms it. So a file
-- that announces what it does not confirm was copied without its log. What is confirmed is whole.
-- "IF NOT EXISTS" as it holds nothing that outlives a process.
CREATE TABLE IF NOT EXISTS wal_mark (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    announced INTEGER NOT NULL,
    confirmed INTEGER NOT NULL CHECK (confirmed <= announced)
) STRICT;
INSERT OR IGNORE INTO wal_mark (one, announced, confirmed) VALUES (1, 0, 0);
