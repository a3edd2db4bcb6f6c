"""Rebuild the demo clips from DeepMimic's motions."""
