"""The objective a second time, written for being read: numpy, float64, one frame and one joint at a time.

Shares no code with ``optim``; takes the weights out of its models. Follows the formulas as published, the accumulated
world transform of the roll-out included, where ``optim`` works in local frames.
"""

from __future__ import annotations

import math

import numpy as np

CONTACTS = [0, 4, 5, 7, 8, 10, 11, 20, 21]
BONE_PARENTS = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 12, 12, 13, 14, 16, 17, 18, 19]
BODY_25 = [52, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, *range(53, 63)]


def rodrigues(v):
    """(3,) → (3, 3)."""
    angle = math.sqrt(v @ v + 1e-16)
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]]) / angle
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k


def mlp(network, x, skip=0):
    """One input vector through Linear, GroupNorm(16), ReLU; the last ``skip`` inputs come again at each Linear."""
    again = x[len(x) - skip :] if skip else x[:0]
    first = True
    for layer in network.net:
        if hasattr(layer, "in_features"):
            x = x if first else np.concatenate((x, again))
            x, first = _array(layer.weight) @ x + _array(layer.bias), False
        elif hasattr(layer, "num_groups"):
            groups = x.reshape(16, -1)
            groups = (groups - groups.mean(1, keepdims=True)) / np.sqrt(groups.var(1, keepdims=True) + layer.eps)
            x = groups.ravel() * _array(layer.weight) + _array(layer.bias)
        else:  # ReLU
            x = np.maximum(x, 0)
    return x


def _array(parameter):
    return parameter.detach().numpy().astype(np.float64)


def decode_pose(prior, latent):
    """VPoser's decoder, (32,) → (21, 3, 3)."""
    net = prior.network
    x = latent
    for layer in (net.bodyprior_dec_fc1, net.bodyprior_dec_fc2):
        x = _array(layer.weight) @ x + _array(layer.bias)
        x = np.where(x > 0, x, 0.2 * x)
    x = (_array(net.bodyprior_dec_out.weight) @ x + _array(net.bodyprior_dec_out.bias)).reshape(21, 3, 2)
    pose = []
    for columns in x:
        a = columns[:, 0] / np.linalg.norm(columns[:, 0])
        b = columns[:, 1] - (a @ columns[:, 1]) * a
        b = b / np.linalg.norm(b)
        pose.append(np.stack((a, b, np.cross(a, b)), axis=1))
    return np.stack(pose)


def pose_body(body, trans, root, pose, betas, vertices=()):
    """One frame of the body: 52 joints and chosen vertices."""
    rest = _array(body.joint_template) + _array(body.joint_shape_directions) @ betas
    local = [root, *pose, *[np.eye(3)] * 30]
    rotation, position = [root], [rest[0]]
    for joint in range(1, 52):
        parent = body.parents[joint]
        rotation.append(rotation[parent] @ local[joint])
        position.append(position[parent] + rotation[parent] @ (rest[joint] - rest[parent]))
    features = np.concatenate([(matrix - np.eye(3)).ravel() for matrix in pose])
    skinned = []
    for v in vertices:
        point = _array(body.template)[v] + _array(body.shape_directions)[v] @ betas
        point = point + _array(body.pose_directions)[v] @ features
        weights = _array(body.weights)[v]
        moved = [w * (rotation[j] @ (point - rest[j]) + position[j]) for j, w in enumerate(weights) if w]
        skinned.append(sum(moved) + trans)
    return np.stack(position) + trans, np.array(skinned)


def canonical_turn(root):
    """The turn about z that brings the body's right onto +x, by angle and axis as published."""
    right = -root[:, 0]
    angle = math.acos(min(1.0, max(-1.0, right[0] / (np.linalg.norm(right[:2]) + 1e-6))))
    axis = np.cross([right[0], right[1], 0.0], [1.0, 0.0, 0.0])
    return rodrigues(axis / (np.linalg.norm(axis) + 1e-6) * angle)


def floor_frame(floor, trans, root, root_joint):
    """R, t and root height of the prior frame, by intersecting rays with the floor."""
    offset = np.linalg.norm(floor)
    normal = floor / offset
    if normal[1] > 0:
        normal, offset = -normal, -offset
    right = -root[:, 0]
    below = trans + (offset - normal @ trans) / (normal @ -normal) * -normal
    far = (offset - normal @ trans) / (normal @ right)
    x = (trans + far * right - below) * (-1 if far < 0 else 1)
    x /= np.linalg.norm(x)
    y = np.cross(normal, x)
    return np.stack((x, y / np.linalg.norm(y), normal)), -trans, normal @ root_joint - offset


def roll_out(prior, start, latents):
    """x_0 and latents (T-1, 48) → list of world states and the prior's mean and variance along them."""
    pivot = np.array([-start["joints"][0, 0], -start["joints"][0, 1], 0.0])
    turn, shift = np.eye(3), np.zeros(3)
    state, states, contacts, means, variances = start, [start], [], [], []
    for z in latents:
        x = np.concatenate([np.ravel(state[name]) for name in _ORDER])
        both = mlp(prior.prior_net, x)
        means.append(both[:48])
        variances.append(np.exp(both[48:]))
        out = mlp(prior.decoder, np.concatenate((x, z)), skip=48)
        local = _apply(state, out[:207])
        contacts.append(out[207:])
        states.append(_to_world(local, turn, shift, pivot))
        align = canonical_turn(local["root_orient"])
        state = _to_local(local, align, -local["trans"] * [1, 1, 0], pivot)
        turn, shift = align @ turn, -states[-1]["trans"] * [1, 1, 0]
    return states, np.array(contacts), np.array(means), np.array(variances)


_ORDER = ("trans", "trans_vel", "root_orient", "root_orient_vel", "pose_body", "joints", "joints_vel")


def _apply(state, delta):
    part = np.split(delta, [3, 6, 9, 12, 75, 141])
    return {
        "trans": state["trans"] + part[0],
        "trans_vel": state["trans_vel"] + part[1],
        "root_orient": rodrigues(part[2]) @ state["root_orient"],
        "root_orient_vel": state["root_orient_vel"] + part[3],
        "pose_body": np.stack(
            [rodrigues(v) @ R for v, R in zip(part[4].reshape(21, 3), state["pose_body"], strict=True)]
        ),
        "joints": state["joints"] + part[5].reshape(22, 3),
        "joints_vel": state["joints_vel"] + part[6].reshape(22, 3),
    }


def _to_local(state, turn, shift, pivot):
    return state | {
        "trans": turn @ (state["trans"] + shift),
        "trans_vel": turn @ state["trans_vel"],
        "root_orient": turn @ state["root_orient"],
        "root_orient_vel": turn @ state["root_orient_vel"],
        "joints": np.stack([turn @ (p + shift + pivot) - pivot for p in state["joints"]]),
        "joints_vel": np.stack([turn @ v for v in state["joints_vel"]]),
    }


def _to_world(state, turn, shift, pivot):
    back = turn.T
    return state | {
        "trans": back @ state["trans"] - shift,
        "trans_vel": back @ state["trans_vel"],
        "root_orient": back @ state["root_orient"],
        "root_orient_vel": back @ state["root_orient_vel"],
        "joints": np.stack([back @ (p + pivot) - pivot - shift for p in state["joints"]]),
        "joints_vel": np.stack([back @ v for v in state["joints_vel"]]),
    }


def stage_3(problem, variables):
    """Raw terms of one sub-sequence seen by a camera, and the roll-out they were computed from."""
    v = {name: np.asarray(value, np.float64)[0] for name, value in variables.items()}
    body, betas, observed = problem.body, v["betas"], problem.observations
    root, pose, trans = (
        rodrigues(v["root_orient"][0]),
        decode_pose(problem.pose_prior, v["latent_pose"][0]),
        v["trans"][0],
    )
    R, t, height = floor_frame(v["floor_plane"], trans, root, pose_body(body, trans, root, pose, betas)[0][0])
    start = {"trans": R @ (trans + t), "root_orient": R @ root, "pose_body": pose}
    start["trans"][2] += height - pose_body(body, start["trans"], start["root_orient"], pose, betas)[0][0, 2]
    start["joints"] = pose_body(body, start["trans"], start["root_orient"], pose, betas)[0][:22]
    start |= {name: v[name][0] for name in ("trans_vel", "root_orient_vel", "joints_vel")}
    states, logits, means, variances = roll_out(problem.motion_prior, start, v["latent_motion"])
    prior_joints, pixels = [], []
    for state in states:
        args = state["pose_body"], betas
        prior_joints.append(pose_body(body, state["trans"], state["root_orient"], *args)[0][:22])
        place = R.T @ (state["trans"] - states[0]["trans"]) - t
        joints, extra = pose_body(body, place, R.T @ state["root_orient"], *args, body.openpose_vertices)
        pixels.append([_project(problem.camera, p) for p in np.concatenate((joints, extra))[BODY_25]])
    prior_joints, regressed = np.array(prior_joints), np.array([state["joints"] for state in states])
    contact = 1 / (1 + np.exp(-np.concatenate((logits[:1], logits))))
    terms = {
        "joints2d": _keypoints(np.asarray(observed.joints2d, np.float64)[0], np.array(pixels), problem.joint2d_sigma),
        "shape_prior": sum(b * b for b in betas),
        "motion_prior": _nll(v["latent_motion"], means, variances),
        "init_motion_prior": _mixture(problem.init_state_prior, prior_joints[0], start),
        "joint_consistency": 0.5 * sum((d * d).sum() for d in prior_joints - regressed),
        "bone_length": _bones(regressed),
        "contact_vel": sum(
            0.5 * contact[f, k] * ((prior_joints[f, j] - prior_joints[f - 1, j]) ** 2).sum()
            for f in range(1, len(contact)) for k, j in enumerate(CONTACTS)
        ),
        "contact_height": sum(
            contact[f, k] * max(abs(prior_joints[f, j, 2]) - 0.08, 0.0)
            for f in range(len(contact)) for k, j in enumerate(CONTACTS)
        ),
        "floor_reg": 0.5 * ((v["floor_plane"] - np.asarray(problem.observed_floor[0], np.float64)) ** 2).sum(),
    }  # fmt: skip
    rolled = {name: np.array([state[name] for state in states]) for name in ("trans", "root_orient", "joints")}
    return terms, rolled | {"prior_mean": means, "prior_var": variances}


def stage_2(problem, variables):
    """Raw terms of one sub-sequence of 3D joints."""
    v = {name: np.asarray(value, np.float64)[0] for name, value in variables.items()}
    seen = np.asarray(problem.observations.joints3d, np.float64)[0]
    joints = []
    for trans, root, latent in zip(v["trans"], v["root_orient"], v["latent_pose"], strict=True):
        pose = decode_pose(problem.pose_prior, latent)
        joints.append(pose_body(problem.body, trans, rodrigues(root), pose, v["betas"])[0][:22])
    joints = np.array(joints)
    return {
        "joints3d": sum(
            0.5 * ((seen[f, j] - joints[f, j]) ** 2).sum()
            for f in range(len(seen)) for j in range(22) if np.isfinite(seen[f, j]).all()
        ),
        "pose_prior": (v["latent_pose"] ** 2).sum(),
        "shape_prior": (v["betas"] ** 2).sum(),
        "joints3d_smooth": 0.5 * (np.diff(joints, axis=0) ** 2).sum(),
    }  # fmt: skip


def _project(camera, point):
    focal, centre = np.asarray(camera.focal, np.float64)[0], np.asarray(camera.centre, np.float64)[0]
    return point[:2] / point[2] * focal + centre


def _keypoints(seen, pixels, sigma):
    total = 0.0
    for frame, predicted in zip(seen, pixels, strict=True):
        for k in range(25):
            if k not in (1, 9, 12):
                r2 = (predicted[k] - frame[k, :2]) ** 2
                total += frame[k, 2] ** 2 * (sigma**2 * r2 / (sigma**2 + r2)).sum()
    return total


def _nll(z, mean, variance):
    return (np.log(np.sqrt(variance)) + math.log(math.sqrt(2 * math.pi)) + (z - mean) ** 2 / (2 * variance)).sum()


def _mixture(prior, joints, start):
    x = np.concatenate(
        [np.ravel(p) for p in (joints, start["joints_vel"], start["trans_vel"], start["root_orient_vel"])]
    )
    logs = []
    for weight, mean, covariance in zip(
        *(np.asarray(a, np.float64) for a in (prior.weights, prior.means, prior.covariances)), strict=False
    ):
        d = x - mean
        log_det = np.linalg.slogdet(2 * math.pi * covariance)[1]
        logs.append(math.log(weight) - 0.5 * (d @ np.linalg.solve(covariance, d) + log_det))
    return -np.logaddexp.reduce(logs)


def _bones(joints):
    total = 0.0
    for before, after in zip(joints, joints[1:], strict=False):
        for joint, parent in enumerate(BONE_PARENTS, start=1):
            change = np.linalg.norm(after[joint] - after[parent]) - np.linalg.norm(before[joint] - before[parent])
            total += 0.5 * change**2
    return total
