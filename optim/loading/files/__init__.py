"""Files of motions, joints, markers and keypoints, and their frame rates."""
