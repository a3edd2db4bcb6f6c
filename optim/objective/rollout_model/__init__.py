"""The Gauss-Newton model of a roll-out: the curvature of stage 3's loss, and its inverse by a Riccati sweep."""
