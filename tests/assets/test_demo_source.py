"""DeepMimic files: found in any packing, refused when broken, resampled and joined without a jump."""

import json
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from assets.build.demo import source as demo_source
from assets.build.demo.source import NAMES
from optim.common.errors import InputError

WALK = "humanoid3d_walk.txt"


def frame(duration, root, *, yaw=0.0, knee=0.0):
    """One frame in the file's own layout and axes: x forward, y up, z right, quaternions w first."""
    identity = [1.0, 0.0, 0.0, 0.0]
    turn = [np.cos(yaw / 2), 0.0, np.sin(yaw / 2), 0.0]
    leg, arm = [*identity, -knee, *identity], [*identity, 0.0]
    return [duration, *root, *turn, *identity, *identity, *leg, *arm, *leg, *arm]


def text(frames):
    return json.dumps({"Loop": "wrap", "Frames": frames})


def walking(frames=41, *, duration=1 / 60, speed=1.2, yaw_rate=0.0):
    rows = []
    for i in range(frames):
        t, knee = i * duration, 0.4 + 0.3 * np.sin(6 * i * duration)
        rows.append(frame(duration, (speed * t, 0.85, 0.0), yaw=yaw_rate * t, knee=knee))
    return demo_source.read_motion(text(rows), name="walking")


def test_axes_forward_is_z_and_left_is_x():
    motion = demo_source.read_motion(text([frame(0.5, (i, 0.9, 0.0)) for i in range(2)]), name="x")
    joints = motion.world()[1]
    np.testing.assert_allclose(joints[-1, 0] - joints[0, 0], [0.0, 0.0, 1.0], atol=1e-12)
    assert joints[0, NAMES.index("left_hip"), 0] > 0 > joints[0, NAMES.index("right_hip"), 0]
    assert joints[0, NAMES.index("left_ankle"), 1] == pytest.approx(0.9 - 0.831416)


def test_knees_bend_backwards():
    joints = demo_source.read_motion(text([frame(0.5, (0, 0.9, 0), knee=1.0)] * 2), name="x").world()[1]
    assert joints[0, NAMES.index("left_ankle"), 2] < joints[0, NAMES.index("left_knee"), 2] - 0.3


def test_a_turn_to_the_left_raises_the_heading():
    motion = walking(yaw_rate=1.5)
    np.testing.assert_allclose(motion.heading(), 1.5 * np.arange(len(motion.root)) / 30, atol=1e-9)


@pytest.mark.parametrize("duration", [1 / 60, 1 / 30, 1 / 24, 0.01])
def test_resampling_keeps_time(duration):
    motion = walking(50, duration=duration)
    assert len(motion.root) == int(49 * duration * 30 + 1e-3) + 1
    np.testing.assert_allclose(motion.root[:, 2], 1.2 * np.arange(len(motion.root)) / 30, atol=1e-9)


def test_joining_keeps_the_pinned_foot_and_leaves_no_jump():
    first, second = walking(yaw_rate=0.8), walking(yaw_rate=-0.5)
    joined = demo_source.append(first, second, pinned="left_ankle", blend=8)
    assert len(joined.root) == len(first.root) + len(second.root) - 1
    seam = len(first.root) - 1
    foot = NAMES.index("left_ankle")
    expected = first.world()[1][-1, foot]
    np.testing.assert_allclose(joined.world()[1][seam, foot, [0, 2]], expected[[0, 2]], atol=1e-9)
    np.testing.assert_allclose(joined.heading()[seam], first.heading()[-1], atol=1e-9)
    steps = joined.world()[1].diff(dim=0).norm(dim=-1)
    alone = max(part.world()[1].diff(dim=0).norm(dim=-1).max() for part in (first, second))
    assert steps.max() < 1.5 * alone


def test_joining_leaves_the_rest_untouched():
    first, second = walking(), walking(yaw_rate=0.5)
    joined = demo_source.append(first, second, pinned="left_ankle", blend=8)
    kept = len(first.root) - 9
    torch.testing.assert_close(joined.frames(0, kept).world()[1], first.frames(0, kept).world()[1])


@pytest.mark.parametrize(
    "broken", ["no json", "{}", '{"Frames": [[1, 2, 3], [1, 2, 3]]}', '{"Frames": [[1], [1, 2]]}', "[]"]
)
def test_broken_files_are_refused_by_name(broken):
    with pytest.raises(InputError, match="walk.txt"):
        demo_source.read_motion(broken, name="walk.txt")


def test_a_frame_that_is_not_finite_is_refused():
    rows = [frame(0.1, (0, 0, 0)), frame(0.1, (0, float("nan"), 0))]
    with pytest.raises(InputError, match="finite"):
        demo_source.read_motion(text(rows), name="x")


@pytest.fixture(params=["folder", "wheel", "sdist"])
def package(request, tmp_path):
    """The one walk file in each form a package comes in."""
    file = tmp_path / "pkg" / demo_source.MOTIONS / WALK
    file.parent.mkdir(parents=True)
    file.write_text("the walk")
    member = f"pybullet-1/{demo_source.MOTIONS}{WALK}"
    if request.param == "wheel":
        with zipfile.ZipFile(tmp_path / "p.whl", "w") as archive:
            archive.write(file, member)
        return tmp_path / "p.whl"
    if request.param == "sdist":
        with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as archive:
            archive.add(file, member)
        return tmp_path / "p.tar.gz"
    return tmp_path / "pkg"


def test_motions_are_read_from_any_packing(package):
    assert demo_source.motion_texts((WALK,), package) == {WALK: "the walk"}


def test_a_missing_motion_is_named(package):
    with pytest.raises(InputError, match="moonwalk.txt"):
        demo_source.motion_texts(("moonwalk.txt",), package)


def test_a_missing_package_is_named(tmp_path):
    with pytest.raises(InputError, match="absent"):
        demo_source.motion_texts((WALK,), tmp_path / "absent")
