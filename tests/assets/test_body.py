"""The shipped body: a closed, symmetric surface that smplx opens as SMPL+H, its named points in place."""

import numpy as np
import pytest

import assets
from assets.build.body import tree as body_tree
from assets.build.body.mesh import surface_faults, volumes
from assets.build.body.tree import EXTRA_VERTICES, JOINT, JOINT_NAMES, MIRRORED_JOINTS, PARENTS

FLIP = np.array([-1.0, 1, 1])
DENSITY = 985.0  # [kg/m³]


@pytest.fixture(scope="module")
def body() -> dict[str, np.ndarray]:
    with np.load(assets.BODY_FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def smplh(body):
    """The body in smplx's own class, which cuts 16 betas to 10 unless shapedirs has 300 columns."""
    smplx = pytest.importorskip("smplx")
    missing = 300 - body["shapedirs"].shape[-1]
    arrays = body | {"shapedirs": np.pad(body["shapedirs"], ((0, 0), (0, 0), (0, missing)))}
    data = smplx.utils.Struct(**arrays)
    return smplx.SMPLH("", data_struct=data, num_betas=16, use_pca=False, flat_hand_mean=True)


def test_arrays_have_the_shapes_of_smplh(body):
    shapes = {
        "v_template": (6890, 3),
        "f": (13776, 3),
        "weights": (6890, 52),
        "J_regressor": (52, 6890),
        "shapedirs": (6890, 3, 16),
        "posedirs": (6890, 3, 459),
        "kintree_table": (2, 52),
        "hands_componentsl": (45, 45),
        "hands_componentsr": (45, 45),
        "hands_meanl": (45,),
        "hands_meanr": (45,),
        "keypoint_vertices": (43,),
        "keypoint_names": (43,),
        "joint_names": (52,),
    }
    assert {name: body[name].shape for name in shapes} == shapes
    assert all(np.isfinite(array).all() for array in body.values() if array.dtype.kind == "f")
    assert str(body["license"]) == "CC0-1.0"


def test_surface_is_closed_and_faces_outward(body):
    assert surface_faults(body["f"].astype(int)) == []
    assert len(np.unique(body["f"])) == 6890
    volume = volumes(body["v_template"][None].astype(float), body["f"].astype(int))[0]
    assert 60 < volume * DENSITY < 80


def test_surface_faults_sees_a_hole_and_a_turned_triangle(body):
    faces = body["f"].astype(int)
    assert "edges have a face on one side only" in surface_faults(faces[1:])[0]
    turned = faces.copy()
    turned[0] = turned[0, ::-1]
    assert "directed edges belong to two faces" in surface_faults(turned)[0]


def test_joints_form_the_tree_of_smplh(body, smplh):
    parents = body["kintree_table"][0].astype(np.int64)
    assert parents[0] == 2**32 - 1
    assert list(body["kintree_table"][1]) == list(range(52))
    assert (parents[1:] < np.arange(1, 52)).all()
    assert tuple(parents[1:]) == PARENTS[1:] == tuple(smplh.parents[1:].tolist())
    assert tuple(body["joint_names"]) == JOINT_NAMES


def test_joint_names_and_keypoint_numbers_are_those_of_smplx():
    joint_names = pytest.importorskip("smplx.joint_names")
    vertex_ids = pytest.importorskip("smplx.vertex_ids")
    assert list(JOINT_NAMES) == joint_names.SMPLH_JOINT_NAMES[:52]
    assert vertex_ids.vertex_ids["smplh"] == EXTRA_VERTICES


def test_skinning_weights_are_shares(body):
    weights = body["weights"]
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert (weights > 0).any(0).all()  # no joint without skin
    assert (weights > 0).sum(1).max() <= 8


def test_regressed_joints_are_means_of_nearby_vertices(body):
    regressor = body["J_regressor"]
    assert (regressor >= 0).all()
    np.testing.assert_allclose(regressor.sum(1), 1, atol=1e-5)
    joints = regressor @ body["v_template"]
    np.testing.assert_allclose(joints, body["J"], atol=2e-6)
    for j, row in enumerate(regressor):
        distance = np.linalg.norm(body["v_template"][row > 0] - joints[j], axis=1)
        assert distance.max() < 0.30, JOINT_NAMES[j]


def test_left_and_right_mirror_each_other(body):
    mirror, joints = body["vert_sym_idxs"], list(MIRRORED_JOINTS)
    assert (mirror[mirror] == np.arange(6890)).all()
    np.testing.assert_array_equal(body["v_template"][mirror] * FLIP, body["v_template"])
    np.testing.assert_array_equal(body["shapedirs"][mirror] * FLIP[:, None], body["shapedirs"])
    np.testing.assert_allclose(body["weights"][mirror][:, joints], body["weights"], atol=1e-4)
    np.testing.assert_allclose(body["J_regressor"][joints][:, mirror], body["J_regressor"], atol=1e-7)
    faces = {tuple(np.roll(face, -face.argmin())) for face in body["f"].astype(int)}
    turned = mirror[body["f"].astype(int)][:, ::-1]
    assert {tuple(np.roll(face, -face.argmin())) for face in turned} == faces


def test_mean_body_stands_in_a_t_pose(body):
    vertices, joints = body["v_template"], body["J"]
    assert np.ptp(vertices[:, 1]) == pytest.approx(1.703, abs=0.01)
    assert vertices[EXTRA_VERTICES["lmiddle"], 0] > 0.7  # arms out, left towards +x
    assert abs(joints[JOINT["left_wrist"], 1] - joints[JOINT["left_shoulder"], 1]) < 0.05
    assert vertices[EXTRA_VERTICES["nose"], 2] > joints[JOINT["head"], 2] + 0.05  # facing +z


def test_pelvis_stays_for_every_beta_and_the_first_makes_taller(body):
    directions = body["shapedirs"]
    shift = np.einsum("v,vck->ck", body["J_regressor"][0], directions)
    np.testing.assert_allclose(shift, 0, atol=2e-5)
    np.testing.assert_allclose(body["J"][0], (0, -0.24, 0.03), atol=1e-5)
    heights = [np.ptp((body["v_template"] + beta * directions[..., 0])[:, 1]) for beta in (-2, 0, 2)]
    assert heights[0] + 0.1 < heights[1] < heights[2] - 0.1


def test_adults_of_random_shape_stay_closed_and_plausible(body):
    betas = np.random.default_rng(0).normal(size=(50, 16))
    vertices = body["v_template"] + np.einsum("nk,vck->nvc", betas, body["shapedirs"])
    heights = np.ptp(vertices[..., 1], axis=1)
    bmi = volumes(vertices, body["f"].astype(int)) * DENSITY / heights**2
    assert heights.min() > 1.35 and heights.max() < 2.05
    assert bmi.min() > 14 and bmi.max() < 42


def test_smplx_opens_it_with_sixteen_betas(body, smplh):
    torch = pytest.importorskip("torch")
    betas = torch.randn((1, 16), generator=torch.Generator().manual_seed(0))
    output = smplh(betas=betas)
    expected = body["v_template"] + body["shapedirs"] @ betas[0].numpy()
    np.testing.assert_allclose(output.vertices[0].detach(), expected, atol=2e-6)
    joints = body["J_regressor"] @ expected
    np.testing.assert_allclose(output.joints[0, :52].detach(), joints, atol=1e-5)
    order = smplh.vertex_joint_selector.extra_joints_idxs.tolist()
    assert sorted(order) == sorted(EXTRA_VERTICES.values())
    np.testing.assert_allclose(output.joints[0, 52:].detach(), expected[order], atol=2e-6)


def test_posing_the_left_elbow_moves_the_left_forearm_alone(body, smplh):
    torch = pytest.importorskip("torch")
    pose = torch.zeros(1, 63)
    pose[0, 3 * (JOINT["left_elbow"] - 1) + 1] = -1.5  # bend forward
    moved = (smplh(body_pose=pose).vertices - smplh().vertices)[0].detach().norm(dim=-1).numpy()
    below = [j for j, name in enumerate(JOINT_NAMES) if name in ("left_elbow", "left_wrist") or _is_left_finger(name)]
    share = body["weights"][:, below].sum(1)
    assert (moved[share == 0] < 1e-6).all()
    assert moved[EXTRA_VERTICES["lindex"]] > 0.3


def _is_left_finger(name: str) -> bool:
    return name.startswith("left_") and name[-1].isdigit()


@pytest.mark.parametrize(
    ("point", "joint"),
    [
        *(("nose", "head"), ("leye", "head"), ("lear", "head")),
        *(("lthumb", "left_thumb3"), ("lindex", "left_index3"), ("lmiddle", "left_middle3")),
        *(("lring", "left_ring3"), ("lpinky", "left_pinky3")),
        *(("LBigToe", "left_foot"), ("LSmallToe", "left_foot"), ("LHeel", "left_ankle")),
    ],
)
def test_detector_keypoints_lie_on_their_part(body, point, joint):
    other = {"l": "r", "L": "R"}.get(point[0], "n") + point[1:]
    for name, wanted in ((point, JOINT[joint]), (other, MIRRORED_JOINTS[JOINT[joint]])):
        assert body["weights"][EXTRA_VERTICES[name]].argmax() == wanted, name
    assert body["vert_sym_idxs"][EXTRA_VERTICES[point]] == EXTRA_VERTICES[other]


KEY_VERTEX_PARTS = {
    "head_top": "head",
    "nose": "head",
    "back_of_head": "head",
    "chest": "spine3 left_collar right_collar",
    "upper_back": "spine3 neck left_collar right_collar",
    "belly": "pelvis spine1",
    "lower_back": "spine1 spine2 pelvis",
    "left_ear": "head",
    "left_shoulder_top": "left_shoulder left_collar",
    "left_chest": "spine3 left_collar",
    "left_shoulder_blade": "spine3 left_collar left_shoulder",
    "left_waist": "spine1 spine2 pelvis",
    "left_hip_side": "pelvis left_hip",
    "left_buttock": "pelvis left_hip",
    "left_elbow_back": "left_elbow left_shoulder",
    "left_elbow_front": "left_elbow left_shoulder",
    "left_wrist_top": "left_wrist left_elbow",
    "left_middle_tip": "left_middle3",
    "left_thumb_tip": "left_thumb3",
    "left_thigh_front": "left_hip",
    "left_knee_front": "left_knee left_hip",
    "left_calf_back": "left_knee",
    "left_ankle_outer": "left_ankle left_knee",
    "left_heel": "left_ankle",
    "left_big_toe": "left_foot",
}


def test_key_vertices_lie_on_the_parts_they_are_named_after(body):
    points = dict(zip(body["keypoint_names"].tolist(), body["keypoint_vertices"].tolist(), strict=True))
    assert len(set(points.values())) == 43
    assert {name.replace("right_", "left_") for name in points} == set(KEY_VERTEX_PARTS)
    for name, parts in KEY_VERTEX_PARTS.items():
        part = JOINT_NAMES[body["weights"][points[name]].argmax()]
        assert part in parts.split(), f"{name} is on {part}"
        x = body["v_template"][points[name], 0]
        if name.startswith("left_"):
            assert x > 0.02
            assert body["vert_sym_idxs"][points[name]] == points[name.replace("left_", "right_")]
        else:
            assert x == 0


def test_key_vertices_are_spread_over_the_body(body):
    points = body["v_template"][body["keypoint_vertices"]]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.eye(43)
    assert apart.min() > 0.04
    reach = np.linalg.norm(body["v_template"][:, None] - points[None], axis=-1).min(1)
    assert reach.max() < 0.26


def test_front_and_back_key_vertices_face_the_right_way(body):
    points = dict(zip(body["keypoint_names"].tolist(), body["v_template"][body["keypoint_vertices"]], strict=True))
    for front, back in (("nose", "back_of_head"), ("chest", "upper_back"), ("belly", "lower_back")):
        assert points[front][2] > points[back][2] + 0.1
    assert points["left_elbow_front"][2] > points["left_elbow_back"][2] + 0.04
    assert points["left_big_toe"][2] > points["left_heel"][2] + 0.2


def test_mirrored_joints_swap_the_sides():
    swapped = [JOINT_NAMES[j] for j in body_tree.MIRRORED_JOINTS]
    assert swapped[JOINT["left_knee"]] == "right_knee" and swapped[JOINT["spine2"]] == "spine2"
    assert [MIRRORED_JOINTS[j] for j in MIRRORED_JOINTS] == list(range(52))
