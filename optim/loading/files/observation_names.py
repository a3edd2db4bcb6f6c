"""Names of arrays by which an .npz of observations is recognised and read."""

OF_A_CAMERA = {"camera_matrix", "cam_mtx", "floor_plane", "joints2d"}
"""Arrays whose presence means that the observations are in a camera's frame."""
