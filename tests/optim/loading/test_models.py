"""Models from files: the shipped ones, files written in the official formats, and what is refused."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import assets
from optim.body.body_model import SMPL_KEYPOINT_VERTICES
from optim.common.errors import InputError
from optim.loading.models import find_body, load_body, load_init_state_prior, load_motion_prior
from optim.priors.motion_prior import MotionPrior

GOLDEN = Path(os.environ.get("GOLDEN_DIR", Path(__file__).resolve().parents[4] / "shared" / "golden"))
VERTICES, JOINTS = 6890, 52


@pytest.fixture(scope="module")
def official():
    """An official SMPL+H file's arrays: float64, root parent 2**32 - 1, no hand PCA, no own keypoints."""
    with np.load(assets.BODY_FILE) as shipped:
        arrays = {name: np.asarray(shipped[name], np.float64) for name in ("v_template", "weights", "J_regressor")}
        arrays["shapedirs"] = np.asarray(shipped["shapedirs"], np.float64)
        kintree = shipped["kintree_table"].astype(np.uint32)
        arrays["f"] = shipped["f"].astype(np.uint32)
    kintree[0, 0] = 2**32 - 1
    posedirs = np.random.default_rng(0).normal(scale=1e-3, size=(VERTICES, 3, 459))
    return arrays | {"kintree_table": kintree, "posedirs": posedirs, "bs_style": np.array("lbs")}


def write_official(folder, arrays, gender="neutral"):
    path = folder / gender / "model.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **arrays)
    return path


def test_the_shipped_body_loads_by_folder_and_by_file():
    assert find_body(assets.BODY_FOLDER) == assets.BODY_FILE
    body = load_body(assets.BODY_FOLDER)
    assert body.template.shape == (VERTICES, 3) and body.parents[0] == -1
    assert len(body.keypoint_vertices) == 43 and body.keypoint_vertices != SMPL_KEYPOINT_VERTICES


def test_official_smplh_gives_the_bodies_smplx_gives(official, tmp_path):
    smplx = pytest.importorskip("smplx")
    path = write_official(tmp_path, official, "male")
    body = load_body(tmp_path, gender="male")
    assert body.keypoint_vertices == SMPL_KEYPOINT_VERTICES
    assert torch.equal(load_body(path).template, body.template)

    wide = np.zeros((VERTICES, 3, 300))
    wide[:, :, :16] = official["shapedirs"]
    hands = {f"hands_{kind}{side}": np.zeros((45, 45) if kind == "components" else 45)
             for kind in ("components", "mean") for side in "lr"}  # fmt: skip
    reference = smplx.SMPLH(
        str(path), data_struct=smplx.utils.Struct(**official | hands | {"shapedirs": wide}),
        num_betas=16, use_pca=False, ext="npz", dtype=torch.float32,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    betas = torch.randn(1, 16, generator=generator)
    turns = 0.4 * torch.randn(1, 22, 3, generator=generator)
    trans = torch.randn(1, 3, generator=generator)
    expected = reference(betas=betas, global_orient=turns[:, 0], body_pose=turns[:, 1:].flatten(1), transl=trans)
    from optim.common.rotations import axis_angle_to_matrix

    matrices = axis_angle_to_matrix(turns)
    mesh = body.mesh(trans[:, None], matrices[:, None, 0], matrices[:, None, 1:], betas)
    torch.testing.assert_close(mesh[0, 0], expected.vertices[0].float(), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"posedirs": None}, "no array posedirs"),
        ({"posedirs": np.zeros((VERTICES, 3, 207))}, "posedirs has shape"),
        ({"shapedirs": np.zeros((VERTICES, 3, 10))}, "shapedirs"),
        ({"weights": np.zeros((VERTICES, 24))}, "weights has shape"),
        ({"kintree_table": np.zeros((2, 24), int)}, "24"),
        ({"f": np.full((4, 3), VERTICES)}, "triangles"),
        ({"v_template": np.full((VERTICES, 3), np.nan)}, "NaN"),
    ],
)
def test_other_bodies_are_refused(official, tmp_path, changes, words):
    arrays = {key: value for key, value in (official | changes).items() if value is not None}
    path = write_official(tmp_path, arrays)
    with pytest.raises(InputError, match=words) as error:
        load_body(path)
    assert str(path) in str(error.value)


def test_a_folder_without_a_body_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="female/model.npz"):
        load_body(tmp_path, gender="female")
    with pytest.raises(InputError, match="no such file"):
        load_body(tmp_path / "nowhere" / "model.npz")


@pytest.fixture(scope="module")
def prior():
    torch.manual_seed(0)
    return MotionPrior()


def save(path, prior, *, prefix="", change=lambda state: state, **extra):
    state = change({prefix + key: value.clone() for key, value in prior.state_dict().items()})
    torch.save({"model": state, "optim": {"state": {}, "param_groups": []}, "epoch": 3, **extra}, path)
    return path


def test_a_checkpoint_in_the_public_layout_loads(prior, tmp_path):
    past, latent = torch.randn(2, 339), torch.randn(2, 48)
    plain = load_motion_prior(save(tmp_path / "a.pth", prior))
    parallel = load_motion_prior(save(tmp_path / "b.pth", prior, prefix="module.", min_val_loss=np.float64(0.25)))
    for loaded in (plain, parallel):
        assert torch.equal(loaded.decode(past, latent), prior.decode(past, latent))
        assert not any(p.requires_grad for p in loaded.parameters())
    half = load_motion_prior(
        save(tmp_path / "c.pth", prior, change=lambda state: {k: v.half() for k, v in state.items()})
    )
    assert half.decode(past, latent).dtype == torch.float32
    torch.testing.assert_close(half.decode(past, latent), prior.decode(past, latent), atol=1e-2, rtol=0)


def test_a_loss_saved_by_an_older_numpy_does_not_hinder(prior, tmp_path):
    """numpy 1 pickled its numbers under ``numpy.core``; the public checkpoints date from then."""
    new, old = save(tmp_path / "new.pth", prior, min_val_loss=np.float64(0.25)), tmp_path / "old.pth"
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in content
                content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            target.writestr(name, content)
    load_motion_prior(old)


@pytest.mark.skipif(not (GOLDEN / "humor_random.pth").exists(), reason="no golden checkpoint here")
def test_the_public_implementations_checkpoint_loads():
    assert load_motion_prior(GOLDEN / "humor_random.pth").encoder.net[0].weight.dtype == torch.float32


def narrower(state):
    return state | {"encoder.net.0.weight": torch.zeros(512, 678)}


def without_last(state):
    return {key: value for key, value in state.items() if "decoder" not in key}


def with_extra(state):
    return state | {"decoder.net.99.weight": torch.zeros(1)}


def with_nan(state):
    return state | {"prior_net.net.0.bias": torch.full((1024,), torch.nan)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (narrower, r"encoder.net.0.weight has shape \(512, 678\), not \(1024, 678\)"),
        (without_last, "no weights decoder"),
        (with_extra, "decoder.net.99.weight are unknown"),
        (with_nan, "prior_net.net.0.bias holds NaN"),
    ],
)
def test_another_architecture_is_refused(prior, tmp_path, change, words):
    path = save(tmp_path / "other.pth", prior, change=change)
    with pytest.raises(InputError, match=words) as error:
        load_motion_prior(path)
    assert str(path) in str(error.value)


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_files_that_are_no_checkpoints_are_refused(prior, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = save(tmp_path / "whole.pth", prior)
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:100_000])
    (tmp_path / "text.pth").write_text("hello, this is no checkpoint")
    (tmp_path / "empty.pth").touch()
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    torch.save({"model": Evil()}, tmp_path / "evil.pth")
    for name, words in [
        ("cut.pth", "cannot be read|not plain weights"),
        ("text.pth", "not plain weights|cannot be read"),
        ("empty.pth", "cannot be read"),
        ("tensor.pth", "no entry `model`"),
        ("evil.pth", "not plain weights"),
        ("none.pth", "no such file"),
        (".", "a folder"),
    ]:
        with pytest.raises(InputError, match=words) as error:
            load_motion_prior(tmp_path / name)
        assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "executed").exists()


def mixture(count=3):
    return {
        "weights": np.full(count, 1 / count),
        "means": np.zeros((count, 138)),
        "covariances": np.stack([np.eye(138)] * count),
    }


def test_the_prior_of_the_first_frame_loads_by_folder_and_by_file(tmp_path):
    np.savez(tmp_path / "prior_gmm.npz", **mixture())
    for path in (tmp_path, tmp_path / "prior_gmm.npz"):
        prior = load_init_state_prior(path)
        assert prior.means.shape == (3, 138)
        expected = torch.distributions.MultivariateNormal(torch.zeros(138), torch.eye(138)).log_prob(torch.ones(138))
        torch.testing.assert_close(prior.log_prob(torch.ones(1, 138))[0], expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"means": np.zeros((3, 75))}, "shapes"),
        ({"weights": np.ones(3)}, "sum to 1"),
        ({"covariances": np.stack([-np.eye(138)] * 3)}, "positive definite"),
        ({"means": np.full((3, 138), np.nan)}, "NaN"),
    ],
)
def test_other_mixtures_are_refused(tmp_path, changes, words):
    np.savez(tmp_path / "prior_gmm.npz", **mixture() | changes)
    with pytest.raises(InputError, match=words):
        load_init_state_prior(tmp_path)
