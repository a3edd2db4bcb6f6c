"""Names of arrays in an .npz of observations, by which it is recognised and read."""

OF_A_CAMERA = {"camera_matrix", "cam_mtx", "floor_plane", "joints2d"}
"""Arrays that say that the frame is a camera's."""
