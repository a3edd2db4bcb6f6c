"""Check the assumptions that a fit makes about its data: one table of checks, run before a fit. Knows no torch."""
