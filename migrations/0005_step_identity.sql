-- What a step is called in its retry token and its tags: its activity and its subject, and never its number, which another
-- version of the program, or another machine that reads something else, might count otherwise. Where it is empty the step
-- was begun by a version before, and its number is what it was called.
ALTER TABLE steps ADD COLUMN identity TEXT;
