"""Panels for data, view, settings, and for what goes out."""
