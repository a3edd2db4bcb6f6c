"""Recorded runs and results on disk in the place of the worker; needs neither models nor torch."""
