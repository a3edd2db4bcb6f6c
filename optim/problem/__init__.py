"""One fit, stated: what was seen, through which camera, in which frame, and the variables that explain it."""
