"""Causes of snapshots that were not made by an edit. Importing this module does not import torch."""

START, ITERATION, PHASE, BATCH, CONTACTS = "start", "iteration", "phase", "batch", "contacts"
NO_EDITS = (START, ITERATION, PHASE, BATCH, CONTACTS)
"""All of them; the cause of any other snapshot is the description of an edit."""
