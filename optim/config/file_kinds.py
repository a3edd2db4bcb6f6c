"""One table of the kinds of files that flags other than ``--data-path`` take. Kinds of data are declared by sources.

Help, documentation and the messages about a wrong file are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileKind:
    """A kind of file or folder."""

    what: str
    flag: str
    endings: tuple[str, ...]
    """In lower case with the dot. Empty for folders that are known by their content."""


OTHERS = {
    "keypoints": FileKind(
        "keypoints of a video: OpenPose's folder, or one file of COCO, mmpose, AlphaPose, mediapipe or arrays",
        "--op-keypts",
        (".json", ".npz"),
    ),
    "camera": FileKind("camera intrinsics: a 3 × 3 matrix, or fx, fy, cx, cy", "--rgb-intrinsics", (".json",)),
    "run": FileKind("a recorded run", "--open", (".humorscope",)),
    "body": FileKind("an SMPL+H body", "--smpl", (".npz",)),
    "vposer": FileKind("VPoser v1", "--vposer", ()),
    "humor": FileKind("a HuMoR checkpoint", "--humor", (".pth",)),
    "mixture": FileKind("the prior of the initial state", "--init-motion-prior", (".npz",)),
    "configuration": FileKind("a configuration", "@FILE, without --data-path", (".cfg",)),
}


def about(kind: str) -> str:
    """Description of a kind of ``OTHERS`` with its endings, for ``--help``."""
    one = OTHERS[kind]
    return f"{one.what} ({' '.join(one.endings)})" if one.endings else one.what
