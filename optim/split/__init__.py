"""Long clips: cut into overlapping sub-sequences, fitted batch after batch, stitched to one motion."""
