"""Joints come back from BVH, TRC and .npy where they were, under the names of several programs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import assets
from optim.body.joints import JOINT_NAMES
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.files.skeletons import read_recording, rows_of_joints
from optim.loading.problem import load_source
from optim.results.results import of_session
from optim.results.saving.bvh import write_bvh
from optim.results.saving.take import Y_UP_FROM_Z_UP, take_of
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes
from tests.optim.checks.test_world import walked


def take():
    problem = fakes.problem(frames=16)
    session = Session(problem, schedule=schedule("humorscope", "3d", num_iters=(1, 1, 1), lbfgs_max_iter=2))
    session.run()
    return take_of(of_session(session.fit)[0])


def test_our_own_bvh_comes_back(tmp_path):
    one = take()
    path = write_bvh(one, tmp_path)[0]
    found = read_recording(path)
    joints = one.motion.joints[0, :, :22].double().numpy() @ Y_UP_FROM_Z_UP.T
    assert found.joints and found.up == "y" and found.fps == pytest.approx(30, abs=1e-3)
    assert np.abs(found.points - joints).max() < 2e-3


MIXAMO = (
    "mixamorig:Hips mixamorig:Spine mixamorig:Neck mixamorig:Head mixamorig:LeftShoulder mixamorig:LeftArm"
    " mixamorig:LeftForeArm mixamorig:LeftHand mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot"
    " mixamorig:LeftToeBase mixamorig:RightUpLeg mixamorig:RightLeg mixamorig:RightFoot mixamorig:RightToeBase"
)
UNREAL = "pelvis spine_01 neck_01 head clavicle_l upperarm_l lowerarm_l hand_l thigh_l calf_l foot_l ball_l thigh_r"
OPENSIM = "Hip RHip RKnee RAnkle RBigToe LHip LKnee LAnkle LBigToe Neck Head LShoulder LElbow LWrist RShoulder"


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (MIXAMO, {"left_collar": "LeftShoulder", "left_shoulder": "LeftArm", "left_ankle": "LeftFoot",
                  "left_foot": "LeftToeBase", "right_hip": "RightUpLeg", "right_knee": "RightLeg", "pelvis": "Hips",
                  "left_wrist": "LeftHand", "left_elbow": "LeftForeArm"}),
        (UNREAL, {"left_collar": "clavicle_l", "left_shoulder": "upperarm_l", "left_knee": "calf_l",
                  "left_foot": "ball_l", "left_wrist": "hand_l", "neck": "neck_01", "pelvis": "pelvis"}),
        (OPENSIM, {"left_shoulder": "LShoulder", "right_knee": "RKnee", "left_foot": "LBigToe", "pelvis": "Hip"}),
    ],
)  # fmt: skip
def test_joints_are_known_by_the_names_of_many_programs(names, wanted):
    given = names.split()
    rows = rows_of_joints(given)
    for joint, name in wanted.items():
        assert given[rows[JOINT_NAMES.index(joint)]].rpartition(":")[2] == name
    assert JOINT_NAMES.index("spine1") not in rows


def trc(path, points, names, *, units="mm", rate=60):
    frames = len(points)
    head = f"PathFileType\t4\t(X/Y/Z)\t{path.name}\nDataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n"
    head += f"{rate}\t{rate}\t{frames}\t{len(names)}\t{units}\n"
    head += "Frame#\tTime\t" + "\t\t\t".join(names) + "\n\t\tX1\tY1\tZ1\n\n"
    rows = ["\t".join([str(t + 1), f"{t / rate}", *map(str, row.ravel())]) for t, row in enumerate(points)]
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def test_trc_gives_joints_or_markers(tmp_path):
    points = np.random.default_rng(0).normal(size=(20, 15, 3)) * 500
    joints = read_recording(trc(tmp_path / "a.trc", points, OPENSIM.split()))
    assert (joints.joints, joints.unit, joints.fps) == (True, "mm", 60.0)
    assert np.allclose(joints.points[:, JOINT_NAMES.index("right_knee")], points[:, 2])
    assert np.isinf(joints.points[:, JOINT_NAMES.index("spine1")]).all()
    markers = read_recording(trc(tmp_path / "b.trc", points, [f"M{n}" for n in range(15)], units="m"))
    assert not markers.joints and np.allclose(markers.points, points) and markers.unit == "m"
    assert parse(["--data-path", str(tmp_path / "b.trc")]).observations == "points3d"


def test_joints_of_humanml3d_are_observed(tmp_path, caplog):
    path = tmp_path / "000001.npy"
    joints = fakes.problem(frames=40).observations.joints3d[0].numpy().astype(np.float32)
    np.save(path, joints)
    clip = load_source(parse(["--data-path", str(path), "--up", "z", "--smpl", str(assets.BODY_FOLDER)]))
    seen = clip.observations.joints3d
    assert seen.shape[-2:] == (22, 3) and torch.equal(seen[0, 0], torch.from_numpy(joints[0]))
    assert "20 frames/s are assumed" in caplog.text
    np.save(path, np.zeros((30, 263)))
    with pytest.raises(InputError, match="HumanML3D's features .*new_joints"):
        read_recording(path)


@pytest.mark.parametrize("text", ["", "HIERARCHY\nROOT a\n{\n", "HIERARCHY\nROOT Hips {\nOFFSET 0 0 0\n}\nMOTION\n"])
def test_broken_bvh_is_refused(tmp_path, text):
    (tmp_path / "a.bvh").write_text(text)
    with pytest.raises(InputError, match=r"a\.bvh: not BVH"):
        read_recording(tmp_path / "a.bvh")


def test_joints_that_are_left_out_are_told_of_once(tmp_path, caplog):
    np.save(tmp_path / "a.npy", np.concatenate((walked(), walked()[:, 20:]), axis=1))
    load_source(parse(["--data-path", str(tmp_path / "a.npy"), "--data-fps", "30"]))
    assert caplog.text.count("24 joints; the first 22 are taken") == 1
