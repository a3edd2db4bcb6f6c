"""Follow one person through the images of a video with BlazePose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.keypoints.blazepose import Pose, Region, Run, detect, find_landmarks
from optim.keypoints.people import choose, within_reach


@dataclass(frozen=True)
class Track:
    """What is known of the person between two images."""

    region: Region | None = None
    """Where to look next; None: everywhere."""
    last: Region | None = None
    """Where the person was last seen; None: not yet found."""
    unseen: int = 0
    """Images since then."""

    def to_array(self) -> np.ndarray:
        """(9,) with NaN for None, to be kept in a file."""
        sides = [[r.x, r.y, r.size, r.angle] if r is not None else [np.nan] * 4 for r in (self.region, self.last)]
        return np.array([*sides[0], *sides[1], self.unseen], float)

    @staticmethod
    def from_array(values: np.ndarray) -> Track:
        """What ``to_array`` made."""
        sides = [None if np.isnan(v).any() else Region(*map(float, v)) for v in (values[:4], values[4:8])]
        return Track(sides[0], sides[1], int(values[8]))


class Tracker:
    """Finds the same person in image after image; looks everywhere again where the person was lost.

    Args:
        detector, landmarks: BlazePose's networks.
        person: The so-manieth from the left, counted from 1, in the first image with so many; None: the largest in
            the first image with anybody.
    """

    def __init__(self, detector: Run, landmarks: Run, *, person: int | None = None, track: Track | None = None) -> None:
        self._detector, self._landmarks, self._person = detector, landmarks, person
        self.track = track or Track()

    def __call__(self, image: np.ndarray) -> Pose | None:
        """The person in the next image, RGB uint8 (H, W, 3); None where not seen."""
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
