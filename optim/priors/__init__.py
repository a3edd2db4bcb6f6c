"""The learned priors of poses, motions and first states, and the roll-out of a motion through them."""
