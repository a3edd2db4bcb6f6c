"""Follow one person through the images of a video with BlazePose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.keypoints.blazepose import Pose, Region, Run, detect, find_landmarks
from optim.keypoints.people import choose, within_reach


@dataclass(frozen=True)
class Track:
    """State of the tracker between two images."""

    region: Region | None = None
    """Region to search in the next image. None means the whole image."""
    last: Region | None = None
    """Region where the person was last seen. None if the person was not found yet."""
    unseen: int = 0
    """Number of images since the person was last seen."""

    def to_array(self) -> np.ndarray:
        """The track as nine numbers (9,) for a file, with NaN for None."""
        sides = [[r.x, r.y, r.size, r.angle] if r is not None else [np.nan] * 4 for r in (self.region, self.last)]
        return np.array([*sides[0], *sides[1], self.unseen], float)

    @staticmethod
    def from_array(values: np.ndarray) -> Track:
        """The track from the numbers (9,) of ``to_array``."""
        sides = [None if np.isnan(v).any() else Region(*map(float, v)) for v in (values[:4], values[4:8])]
        return Track(sides[0], sides[1], int(values[8]))


class Tracker:
    """Finds the same person in one image after another. After a loss it searches the whole image again.

    Args:
        detector, landmarks: BlazePose's networks.
        person: Number of the person from the left, counted from 1, in the first image that shows as many persons. None
            takes the largest person in the first image that shows anybody.
        track: State to continue from. None begins anew.
    """

    def __init__(self, detector: Run, landmarks: Run, *, person: int | None = None, track: Track | None = None) -> None:
        self._detector, self._landmarks, self._person = detector, landmarks, person
        self.track = track or Track()

    def __call__(self, image: np.ndarray) -> Pose | None:
        """Landmarks of the person in the next image, RGB uint8 (H, W, 3). None if the person is not seen."""
        region = self.track.region
        pose = None if region is None else find_landmarks(self._landmarks, image, region)
        if pose is None:
            region = self._search(image)
            pose = None if region is None else find_landmarks(self._landmarks, image, region)
        if pose is None:
            self.track = Track(None, self.track.last, self.track.unseen + 1)
        else:
            self.track = Track(pose.next_region, pose.next_region, 0)
        return pose

    def _search(self, image: np.ndarray) -> Region | None:
        regions, last = detect(self._detector, image), self.track.last
        places = np.array([[r.x, r.y, r.size] for r in regions]).reshape(-1, 3)
        if last is not None:
            row = within_reach(places, np.array([last.x, last.y, last.size]), frames=self.track.unseen + 1)
            return None if row is None else regions[row]
        if len(regions) < (self._person or 1):
            return None
        return regions[choose(places, person=self._person)]
