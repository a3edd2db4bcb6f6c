"""Pieces of the report of a fit: charts, tables, pictures, sections of the page."""
