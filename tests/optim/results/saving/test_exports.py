"""Exports read back by other readers than ours: pygltflib, bvhio, smplx, trimesh, csv and json."""

import csv
import json
from dataclasses import replace

import bvhio
import numpy as np
import pygltflib
import pytest
import smplx
import torch
import trimesh

import assets
from optim.body.joints import JOINT_NAMES
from optim.common.errors import InputError
from optim.config.formats import BONES, FORMATS, formats_of
from optim.loading.files.skeletons import read_recording
from optim.loading.models import load_body
from optim.problem.camera import Camera
from optim.problem.variables import Trajectory
from optim.results.results import FitResult
from optim.results.saving.bones import bones_of
from optim.results.saving.exports import WRITERS, export
from optim.results.saving.gltf import pose_morphs
from optim.results.saving.take import Y_UP_FROM_Z_UP, take_of
from tests import fakes

FRAMES = 7
KINDS = ("world", "camera")


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FILE)


def result_of(body, kind, *, frames=FRAMES):
    """Somebody who walks, in a world or before a camera that looks down at a floor."""
    camera = kind == "camera"
    trans, root, pose, betas = (a.float() for a in fakes.motion(np.random.RandomState(2), 1, frames, camera=camera))
    joints = body.joints(trans, root, pose, betas)
    plane = torch.tensor([0.05, -0.99, 0.10, 0.0])
    plane = torch.cat((plane[:3] / plane[:3].norm(), torch.tensor([-1.3])))
    motion = Trajectory(trans, root, pose, betas, joints, floor_plane=plane[None] if camera else None)
    lens = Camera.from_matrix(torch.tensor([[900.0, 0, 640], [0, 910, 360], [0, 0, 1]]), image_size=(1280, 720))
    return FitResult("a clip ü", body, {"stage3": motion}, camera=lens if camera else None)


@pytest.fixture(scope="module", params=KINDS)
def exported(request, body, tmp_path_factory):
    """A take and all files made of it, by suffix."""
    folder = tmp_path_factory.mktemp("out")
    result = result_of(body, request.param)
    files = export(result, FORMATS, folder, frame=3)
    return take_of(result), {path.suffix: path for path in files}


def y_up(points):
    return points @ Y_UP_FROM_Z_UP.T


# glTF, evaluated from the file as the specification says


def arrays_of(gltf):
    """Every accessor as an array."""
    kinds = {5121: np.uint8, 5125: np.uint32, 5126: np.float32}
    widths = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
    found = []
    for accessor in gltf.accessors:
        view = gltf.bufferViews[accessor.bufferView]
        start = (view.byteOffset or 0) + (accessor.byteOffset or 0)
        count = accessor.count * widths[accessor.type]
        data = np.frombuffer(gltf.binary_blob(), kinds[accessor.componentType], count, start)
        found.append(data.reshape(accessor.count, -1))
    return found


def matrix(translation, quaternion):
    x, y, z, w = quaternion
    m = np.eye(4)
    m[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    m[:3, 3] = translation
    return m


def skinned(path, frame):
    """Vertices (V, 3) and joint positions by name at a keyframe, from nothing but the file."""
    gltf = pygltflib.GLTF2().load(str(path))
    arrays, animation = arrays_of(gltf), gltf.animations[0]
    local = {
        i: [np.array(n.translation or (0, 0, 0)), np.array(n.rotation or (0, 0, 0, 1))]
        for i, n in enumerate(gltf.nodes)
    }
    weights = None
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        values = arrays[sampler.output]
        match channel.target.path:
            case "translation":
                local[channel.target.node][0] = values[frame]
            case "rotation":
                local[channel.target.node][1] = values[frame]
            case "weights":
                weights = values.reshape(len(arrays[sampler.input]), -1)[frame]
    parents = {child: i for i, node in enumerate(gltf.nodes) for child in node.children or ()}

    def world(node):
        own = matrix(*local[node])
        return world(parents[node]) @ own if node in parents else own

    skin, primitive = gltf.skins[0], gltf.meshes[0].primitives[0]
    placed = [world(joint) for joint in skin.joints]
    inverse = arrays[skin.inverseBindMatrices].reshape(-1, 4, 4).swapaxes(1, 2)
    bones = np.stack([a @ b for a, b in zip(placed, inverse, strict=True)])
    vertices = arrays[primitive.attributes.POSITION].astype(float)
    for k, target in enumerate(primitive.targets or ()):
        vertices = vertices + weights[k] * arrays[target["POSITION"]]
    named = vars(primitive.attributes)
    sets = [(named.get(f"JOINTS_{k}"), named.get(f"WEIGHTS_{k}")) for k in (0, 1)]
    blend = sum(
        np.einsum("vk,vkab->vab", arrays[weight], bones[arrays[joint]]) for joint, weight in sets if joint is not None
    )
    shown = np.einsum("vab,vb->va", blend[:, :3, :3], vertices) + blend[:, :3, 3]
    return shown, {gltf.nodes[j].name: m[:3, 3] for j, m in zip(skin.joints, placed, strict=True)}


def test_gltf_skin_is_the_body_model(exported):
    take, files = exported
    for frame in (0, FRAMES - 1):
        vertices, joints = skinned(files[".glb"], frame)
        apart = np.linalg.norm(vertices - y_up(take.vertices(frame)), axis=1)
        assert apart.max() < 1e-3 and apart.mean() < 1e-5
        expected = dict(zip(JOINT_NAMES, y_up(take.motion.joints[0, frame].numpy()), strict=True))
        assert all(np.abs(joints[name] - expected[name]).max() < 1e-4 for name in JOINT_NAMES)


def test_gltf_morph_targets_carry_pose_blend_shapes(tmp_path):
    model = fakes.body()
    model = replace(model, pose_directions=10 * model.pose_directions)
    take = take_of(result_of(model, "world"))
    (path,) = export(take.result, ["gltf"], tmp_path)
    vertices, _ = skinned(path, 4)
    assert np.abs(vertices - y_up(take.vertices(4))).max() < 1e-4
    _, weights = pose_morphs(take)
    assert weights.min() == 0 and weights.max() == 1  # others are cut off by Blender
    plain = take_of(replace(take.result, body=replace(model, pose_directions=None)))
    assert np.abs(vertices - y_up(plain.vertices(4))).max() > 5e-3  # they matter


def test_gltf_time_camera_and_normals(exported):
    take, files = exported
    gltf = pygltflib.GLTF2().load(str(files[".glb"]))
    times = arrays_of(gltf)[gltf.animations[0].samplers[0].input][:, 0]
    np.testing.assert_allclose(times, np.arange(FRAMES) / 30.0, atol=1e-6)
    mesh = trimesh.load(files[".glb"], force="mesh", process=False)
    assert mesh.is_watertight and mesh.volume > 0.03  # normals point outwards
    normals = arrays_of(gltf)[gltf.meshes[0].primitives[0].attributes.NORMAL]
    agree = (normals * mesh.vertex_normals).sum(1)
    assert agree.mean() > 0.99 and agree.min() > 0
    nodes = [node for node in gltf.nodes if node.camera is not None]
    assert len(nodes) == (take.result.camera is not None)
    for node in nodes:
        lens, view = gltf.cameras[0].perspective, np.linalg.inv(matrix(node.translation, node.rotation))
        point = y_up(take.motion.joints[0, 2, 20].numpy())
        x, y, z = (view @ [*point, 1])[:3]
        focal = 0.5 * 720 / np.tan(0.5 * lens.yfov)
        seen = np.array([640 + focal * x / -z, 360 - focal * y / -z])
        truth = take.result.motion().joints[0, 2, 20]
        expected = truth[:2] / truth[2] * 910 + torch.tensor([640.0, 360])
        np.testing.assert_allclose(seen, expected, atol=0.05)


# BVH


def test_bvh_joints_are_those_of_the_motion(exported):
    take, files = exported
    root = bvhio.readAsHierarchy(str(files[".bvh"]))
    layout = {joint.Name: joint for joint, _, _ in root.layout()}
    for frame in (0, FRAMES - 1):
        root.loadPose(frame)
        for index, name in enumerate(JOINT_NAMES):
            where = np.array(layout[name].PositionWorld)
            np.testing.assert_allclose(
                where, y_up(take.motion.joints[0, frame].numpy())[index], atol=1e-3, err_msg=name
            )


@pytest.mark.parametrize(("naming", "scale"), [("mixamo", 100.0), ("unreal", 100.0), ("smpl", 39.37)])
def test_named_and_scaled_bvh_is_the_same_motion(exported, naming, scale, tmp_path):
    """Read by our own reader, which knows the names, and by another one."""
    take, _ = exported
    (path,) = export(take.result, ["bvh"], tmp_path, bones=naming, scale=scale)
    expected = take.motion.joints[0].double().numpy() @ Y_UP_FROM_Z_UP.T
    found = read_recording(path).points / scale
    known = np.isfinite(found).all(axis=(0, 2))
    assert {name for name, there in zip(JOINT_NAMES, known, strict=True) if not there} <= {"spine1", "spine2", "spine3"}
    np.testing.assert_allclose(found[:, known], expected[:, known], atol=1e-3)
    root = bvhio.readAsHierarchy(str(path))
    layout = {joint.Name: joint for joint, _, _ in root.layout()}
    bones = bones_of(naming, scale)
    root.loadPose(FRAMES - 1)
    for name, where in zip(bones.names, expected[-1], strict=True):
        np.testing.assert_allclose(np.array(layout[name].PositionWorld) / scale, where, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("naming", ["mixamo", "unreal"])
def test_named_and_scaled_gltf_is_the_same_motion(exported, naming, tmp_path):
    take, _ = exported
    (path,) = export(take.result, ["gltf"], tmp_path, bones=naming, scale=100.0)
    vertices, joints = skinned(path, FRAMES - 1)
    assert np.abs(vertices / 100 - y_up(take.vertices(FRAMES - 1))).max() < 1e-3
    expected = y_up(take.motion.joints[0, FRAMES - 1].numpy())
    for name, where in zip(bones_of(naming, 100.0).names, expected, strict=True):
        np.testing.assert_allclose(joints[name] / 100, where, atol=1e-4, err_msg=name)


def test_names_of_bones_are_those_of_the_programs():
    at = {naming: dict(zip(JOINT_NAMES, bones_of(naming, 1.0).names, strict=True)) for naming in BONES}
    assert at["smpl"]["left_hip"] == "left_hip"
    assert at["mixamo"]["left_hip"] == "mixamorig:LeftUpLeg" and at["mixamo"]["spine1"] == "mixamorig:Spine"
    assert at["unreal"]["right_wrist"] == "hand_r" and at["unreal"]["spine3"] == "spine_03"
    assert all(len(set(names.values())) == len(JOINT_NAMES) for names in at.values())


def test_scaled_gltf_morphs_and_camera_are_scaled_too(body, tmp_path):
    model = fakes.body()
    model = replace(model, pose_directions=10 * model.pose_directions)
    take = take_of(result_of(model, "camera"))
    (path,) = export(take.result, ["gltf"], tmp_path, scale=100.0)
    vertices, _ = skinned(path, 4)
    assert np.abs(vertices / 100 - y_up(take.vertices(4))).max() < 1e-4
    (node,) = [node for node in pygltflib.GLTF2().load(str(path)).nodes if node.camera is not None]
    np.testing.assert_allclose(np.array(node.translation) / 100, y_up(take.t_world_input), atol=1e-6)


def test_bvh_header(exported):
    take, files = exported
    file = bvhio.readAsBvh(str(files[".bvh"]))
    assert file.FrameCount == FRAMES and file.FrameTime == pytest.approx(1 / 30, abs=1e-7)
    ends = {joint.Name: np.array(joint.EndSite) for joint, _, _ in file.Root.layout() if not joint.Children}
    assert set(ends) == {"left_foot", "right_foot", "head", "left_wrist", "right_wrist"}
    assert ends["left_wrist"][0] > 0.1 and ends["right_wrist"][0] < -0.1 and ends["left_foot"][2] > 0.03


def test_bvh_angles_do_not_jump(body, tmp_path):
    """A body that turns round and round has angles that go on, not from 180 to -180 degrees."""
    result = result_of(body, "world", frames=40)
    motion = result.motion()
    angle = torch.linspace(0, 4 * torch.pi, 40)
    turn = torch.eye(3).repeat(40, 1, 1)
    turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
    turn[:, 1, 0], turn[:, 0, 1] = angle.sin(), -angle.sin()
    spun = replace(motion, root_orient=turn[None] @ motion.root_orient[:, :1])
    (path,) = export(replace(result, stages={"stage3": spun}), ["bvh"], tmp_path)
    rows = np.array([line.split() for line in path.read_text().split("Frame Time")[1].splitlines()[1:]], float)
    assert np.abs(np.diff(rows[:, 3:], axis=0)).max() < 40


# AMASS, OBJ, CSV, JSON


def test_amass_by_smplx(exported, body):
    take, files = exported
    motion = np.load(files[".npz"])
    assert motion["poses"].shape == (FRAMES, 156) and float(motion["mocap_framerate"]) == 30.0
    with np.load(assets.BODY_FILE) as archive:
        model = {name: archive[name] for name in archive.files}
    model["shapedirs"] = np.pad(model["shapedirs"], ((0, 0), (0, 0), (0, 300 - model["shapedirs"].shape[2])))
    model |= {f"hands_components{s}": np.zeros((45, 45)) for s in "lr"} | {f"hands_mean{s}": np.zeros(45) for s in "lr"}
    smplh = smplx.SMPLH(
        "", data_struct=smplx.utils.Struct(**model), num_betas=16, use_pca=False, flat_hand_mean=True, ext="npz"
    )
    t = torch.from_numpy(motion["poses"]).float()
    posed = smplh(
        betas=torch.from_numpy(motion["betas"])[None].float().expand(FRAMES, 16),
        global_orient=t[:, :3],
        body_pose=t[:, 3:66],
        left_hand_pose=t[:, 66:111],
        right_hand_pose=t[:, 111:],
        transl=torch.from_numpy(motion["trans"]).float(),
    )
    for frame in range(FRAMES):
        assert np.abs(posed.vertices[frame].detach().numpy() - take.vertices(frame)).max() < 1e-3


def test_obj_by_trimesh(exported):
    take, files = exported
    assert files[".obj"].stem.endswith("_0003")
    mesh = trimesh.load(files[".obj"], process=False)
    np.testing.assert_allclose(mesh.vertices, y_up(take.vertices(3)), atol=2e-6)
    assert np.array_equal(mesh.faces, take.body.faces)


def test_scene_brings_the_input_to_the_world(exported):
    take, files = exported
    scene = json.loads(files[".json"].read_text(encoding="utf-8"))
    turn, shift = np.array(scene["R_world_input"]), np.array(scene["t_world_input"])
    joints = take.result.motion().joints[0, 1].numpy()
    np.testing.assert_allclose(joints @ turn.T + shift, take.motion.joints[0, 1].numpy(), atol=1e-4)
    if take.result.camera is None:
        assert scene["floor"] is None and scene["camera"] is None
        return
    normal, offset = np.array(scene["floor"][:3]), scene["floor"][3]
    on_floor = normal * offset + np.cross(normal, [0.3, 0.1, 2.0])
    assert (turn @ on_floor + shift)[2] == pytest.approx(0, abs=1e-5)
    assert (turn @ normal)[2] == pytest.approx(1, abs=1e-5)
    assert (scene["camera"]["fx"], scene["camera"]["fy"]) == (900, 910)


def test_diagnostics_table(exported):
    take, files = exported
    with files[".csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == FRAMES and rows[0]["foot_skate_mm"] == ""
    lowest = [100 * take.vertices(frame)[:, 2].min() for frame in range(FRAMES)]
    np.testing.assert_allclose([float(row["lowest_vertex_cm"]) for row in rows], lowest, atol=1e-2)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"formats": ["fbx"]}, "fbx"),
        ({"formats": []}, "no format"),
        ({"formats": ["obj"], "frame": FRAMES}, "0 to 6"),
        ({"formats": ["obj"], "stage": "stage2"}, "stage3"),
        ({"formats": ["obj"], "stage": "best"}, "stage3_init"),
        ({"formats": ["bvh"], "bones": "maya"}, "mixamo"),
        ({"formats": ["bvh"], "scale": 0.0}, "scale of 0"),
        ({"formats": ["bvh"], "scale": float("nan")}, "scale of nan"),
    ],
)
def test_what_cannot_be_exported_is_named(body, tmp_path, wrong, named):
    with pytest.raises(InputError, match=named):
        export(result_of(body, "world"), folder=tmp_path, **wrong)


def test_the_names_of_formats():
    assert set(WRITERS) == set(FORMATS)
    assert formats_of(["gltf,bvh", "obj", "gltf"]) == ("gltf", "bvh", "obj")
