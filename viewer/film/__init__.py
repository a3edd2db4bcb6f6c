"""Films the window, as it is used or from a script, and writes the video as mp4."""
