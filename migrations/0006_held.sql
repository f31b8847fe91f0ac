-- Of all targets that are held, by whichever run, so that none of them is let go unseen. Where it is empty, a version before
-- wrote the journal last, and every run is verified instead.
ALTER TABLE canary ADD COLUMN held_mac BLOB CHECK (held_mac IS NULL OR length(held_mac) = 32);
