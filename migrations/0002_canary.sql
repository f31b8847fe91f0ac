-- A text sealed with the journal's key: tells a lost or another key before anything is written with it.
-- At most one; a journal of before gets it when it is opened for writing with the key that its runs are sealed with.
CREATE TABLE canary (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    sealed TEXT NOT NULL
) STRICT;
