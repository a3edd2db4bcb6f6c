"""Readers of single files and folders: motions, cameras, keypoints, depth images, videos."""
