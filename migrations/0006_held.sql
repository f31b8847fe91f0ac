-- The code of all targets that are held, by whichever run, so that none of them is let go unseen. Where there is no row, a
-- version before wrote the journal last, and every run is verified instead.
CREATE TABLE held (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;
