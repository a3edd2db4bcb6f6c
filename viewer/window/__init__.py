"""The window itself: its loop, what is in it, the keyboard, and its end of the worker."""
