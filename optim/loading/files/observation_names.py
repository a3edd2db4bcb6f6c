"""Names of the arrays in an .npz of observations, by which it is recognised and read."""

MODALITIES = ("points3d", "joints2d", "joints3d", "verts3d")
"""What was observed; where there are several, the first one here decides the weights."""
OF_A_CAMERA = {"camera_matrix", "cam_mtx", "floor_plane", "joints2d"}
"""Arrays that say that the frame is a camera's."""
