"""Videos of the window: recorded as it is used or played from a script, and written as mp4."""
