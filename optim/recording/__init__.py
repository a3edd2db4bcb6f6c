"""Recordings of sessions on disk: the run file, writing a session into it, and restoring a session from it."""
