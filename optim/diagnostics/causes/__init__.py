"""Causes of a bad fit, ranked: one module per cause with one rule, listed in ``table``.

A rule looks at a snapshot and says in a sentence what is wrong or in order, with the numbers behind it, the frame where
it can be seen, and what to try. Window, report and headless summary show the same list.
"""
