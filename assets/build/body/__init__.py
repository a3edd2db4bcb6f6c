"""Rebuild the free SMPL+H body from MakeHuman's CC0 mesh."""
