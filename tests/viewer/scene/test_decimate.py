"""A ghost's body is a tenth of the whole one and still stands where it stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

import assets
from optim.loading.models import load_body
from tests import fakes
from viewer.protocol.view_model import Motion
from viewer.scene.decimate import decimated
from viewer.scene.skinning import Skinner
from viewer.worker.build_view import body_mesh


@pytest.fixture(scope="module")
def body():
    return body_mesh(load_body(assets.BODY_FILE))


def test_about_a_tenth_of_the_triangles_is_left(body):
    coarse = decimated(body)
    assert 0.07 * len(body.faces) < len(coarse.faces) < 0.14 * len(body.faces)
    assert len(np.unique(coarse.faces)) == len(coarse.template) < 0.15 * len(body.template)
    assert (np.diff(np.sort(coarse.faces, axis=1), axis=1) > 0).all()  # no triangle is a line


def test_a_body_out_of_a_file_may_be_constant(body):
    constant = replace(body, faces=body.faces.copy(), template=body.template.copy())
    constant.faces.flags.writeable = constant.template.flags.writeable = False
    np.testing.assert_array_equal(decimated(constant).faces, decimated(body).faces)


def test_its_vertices_are_vertices_of_the_whole_in_any_pose(body):
    trans, root, pose, _ = (value.numpy() for value in fakes.motion(np.random.RandomState(0), 1, 13, camera=False))
    motion = Motion(
        trans=trans,
        rotations=np.concatenate((root[:, :, None], pose), axis=2),
        betas=np.full((1, 16), 0.5),
        joints=np.zeros((1, 13, 22, 3)),
    )
    coarse = decimated(body)
    whole = Skinner(body).vertices(motion, 0, 12)
    few = Skinner(coarse).vertices(motion, 0, 12)
    apart = np.linalg.norm(few[:, None] - whole[None], axis=-1).min(axis=1)
    assert apart.max() < 1e-5
    surface = trimesh.Trimesh(few, coarse.faces, process=False).sample(20_000, seed=0)
    far, _ = cKDTree(surface).query(whole)
    assert np.quantile(far, 0.99) < 0.02 and far.max() < 0.04  # and nothing of the body is far from its surface


def test_parts_of_different_joints_are_not_melted(body):
    coarse = decimated(body)
    owners = coarse.weights.argmax(axis=1)
    assert set(owners) >= set(body.weights.argmax(axis=1)) - {13, 14}
