"""Keypoints of one person in images: BlazePose's networks, whom to follow, and keypoint sets by name. Reads no file."""
