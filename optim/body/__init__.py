"""The SMPL+H body: its joint tree, its mesh, and what of it touches the floor."""
