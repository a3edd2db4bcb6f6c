"""Minimisers with explicit state: a flat vector in, a state out. Knows no body and no schedule."""
