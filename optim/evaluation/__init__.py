"""Evaluate fits: the paper's protocols on motion capture, and tables of metrics."""
