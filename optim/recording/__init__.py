"""A session on disk: the run file, what is written into it, and how a session comes out of it again."""
