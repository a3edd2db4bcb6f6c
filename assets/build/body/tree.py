"""Names and tree of SMPL+H's 52 joints, and the vertex indices that smplx uses for keypoints."""

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")

_BODY = """
pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot
right_foot neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow
left_wrist right_wrist
"""

JOINT_NAMES = (
    *_BODY.split(),
    *(f"{side}_{finger}{k}" for side in ("left", "right") for finger in _FINGERS for k in (1, 2, 3)),
)
JOINT = {name: index for index, name in enumerate(JOINT_NAMES)}


def _parents() -> tuple[int, ...]:
    body = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
    for wrist in (JOINT["left_wrist"], JOINT["right_wrist"]):
        for _ in _FINGERS:
            first = len(body)
            body += [wrist, first, first + 1]
    return tuple(body)


def _other_side(name: str) -> str:
    swap = {"left": "right", "right": "left"}
    side, _, rest = name.partition("_")
    return f"{swap[side]}_{rest}" if side in swap else name


PARENTS = _parents()
# MIRRORED_JOINTS[j] is the same joint on the other side of the body.
MIRRORED_JOINTS = tuple(JOINT[_other_side(name)] for name in JOINT_NAMES)

# Vertices that smplx 0.1.28 takes for 21 more keypoints on any SMPL+H body. This body is numbered accordingly.
EXTRA_VERTICES = {
    "nose": 332,
    "reye": 6260,
    "leye": 2800,
    "rear": 4071,
    "lear": 583,
    "rthumb": 6191,
    "rindex": 5782,
    "rmiddle": 5905,
    "rring": 6016,
    "rpinky": 6133,
    "lthumb": 2746,
    "lindex": 2319,
    "lmiddle": 2445,
    "lring": 2556,
    "lpinky": 2673,
    "LBigToe": 3216,
    "LSmallToe": 3226,
    "LHeel": 3387,
    "RBigToe": 6617,
    "RSmallToe": 6624,
    "RHeel": 6787,
}
