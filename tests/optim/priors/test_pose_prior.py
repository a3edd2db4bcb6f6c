"""VPoser as the pose prior: agreement with human_body_prior and golden arrays, gradients, bad files."""

import os
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

import assets
from optim.body.body_model import BodyModel
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix
from optim.loading.models import load_body
from optim.priors.pose_prior import PosePrior, decode_rotations, load_pose_prior, new_network

MODELS = Path(__file__).resolve().parents[4] / "shared" / "golden"
GOLDEN = Path(os.environ.get("GOLDEN_DIR", MODELS))


@pytest.fixture(scope="module")
def prior() -> PosePrior:
    torch.manual_seed(0)
    return PosePrior(new_network())


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(assets.BODY_FOLDER)


def folder_with(state, tmp_path: Path, name: str = "TR00_E001.pt") -> Path:
    (tmp_path / "snapshots").mkdir(exist_ok=True)
    torch.save(state, tmp_path / "snapshots" / name)
    return tmp_path


def test_decode_equals_the_class_of_human_body_prior(prior):
    latent = torch.randn(50, 32)
    theirs = prior.network.decode(latent, output_type="matrot").view(50, 21, 3, 3)
    torch.testing.assert_close(prior.decode(latent), theirs, atol=1e-5, rtol=0)


def test_encode_equals_the_class_of_human_body_prior(prior):
    pose = 0.5 * torch.randn(50, 63)
    ours = prior.encode(axis_angle_to_matrix(pose.view(50, 21, 3)))
    torch.testing.assert_close(ours, prior.network.encode(pose).mean, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch", [(), (3,), (2, 5)])
def test_any_batch_shape_and_proper_rotations(prior, batch):
    pose = prior.decode(3 * torch.randn(*batch, 32))
    assert pose.shape == (*batch, 21, 3, 3)
    eye = torch.eye(3).expand(*pose.shape)
    torch.testing.assert_close(pose @ pose.mT, eye, atol=1e-5, rtol=0)
    assert (torch.linalg.det(pose) > 0.99).all()
    assert prior.encode(pose).shape == (*batch, 32)


def test_first_frame_of_the_golden_rollouts():
    """The roll-out starts at the decoded latent_pose of x_0, so its first pose is VPoser's."""
    if not (MODELS / "vposer_random.npz").exists():
        pytest.skip(f"no golden arrays in {MODELS}")
    with np.load(MODELS / "vposer_random.npz") as weights:
        prior = PosePrior.from_state_dict({key: torch.as_tensor(weights[key]) for key in weights.files})
    compared = 0
    for path in sorted(GOLDEN.glob("*.npz")):
        with np.load(path) as case:
            for key in [name for name in case.files if name.endswith("/rollout/pose_body")]:
                latent = torch.as_tensor(case[key.replace("rollout/pose_body", "var/latent_pose")][:, 0])
                truth = roma.rotvec_to_rotmat(torch.as_tensor(case[key][:, 0]).unflatten(-1, (21, 3)))
                torch.testing.assert_close(prior.decode(latent), truth, atol=1e-5, rtol=0)
                compared += 1
    assert compared


def test_gradient_of_encode_is_finite_at_the_identity_and_at_half_turns(prior):
    turns = torch.zeros(4, 21, 3)
    turns[1, :, 0] = 1e-8
    turns[2, :, 1] = np.pi
    turns[3] = torch.randn(21, 3)
    pose = axis_angle_to_matrix(turns).requires_grad_()
    prior.encode(pose).square().sum().backward()
    assert torch.isfinite(pose.grad).all() and (pose.grad[0] != 0).any()


def test_gradient_of_decode_matches_finite_differences():
    torch.manual_seed(1)
    network = new_network(neurons=12, latent_dim=4).double().eval()
    latent = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: decode_rotations(network, z), latent)


def test_for_inference_only_and_without_dropout(prior):
    latent = torch.randn(3, 32, requires_grad=True)
    first, second = prior.decode(latent), prior.decode(latent)
    assert torch.equal(first, second)
    first.sum().backward()
    assert latent.grad is not None
    assert all(not p.requires_grad and p.grad is None for p in prior.network.parameters())


def test_load_reads_the_newest_snapshot_and_data_parallel_keys(prior, tmp_path):
    folder_with({key: 0 * value for key, value in prior.network.state_dict().items()}, tmp_path, "old.pt")
    os.utime(tmp_path / "snapshots" / "old.pt", (1, 1))
    state = {f"module.{key}": value for key, value in prior.network.state_dict().items()}
    loaded = load_pose_prior(folder_with(state, tmp_path))
    latent = torch.randn(4, 32)
    assert torch.equal(loaded.decode(latent), prior.decode(latent))
    assert loaded.latent_dim == 32


def test_folder_without_snapshots_is_named(tmp_path):
    with pytest.raises(InputError, match=rf"{tmp_path / 'nowhere'}: no snapshots/\*\.pt"):
        load_pose_prior(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 torn"])
def test_unreadable_snapshot_is_named(tmp_path, content):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "torn.pt").write_bytes(content)
    with pytest.raises(InputError, match="torn.pt: cannot be read"):
        load_pose_prior(tmp_path)


def test_weights_of_something_else_are_refused(prior, tmp_path):
    good = prior.network.state_dict()
    with pytest.raises(InputError, match="not VPoser's table of weights"):
        load_pose_prior(folder_with([1, 2, 3], tmp_path))
    with pytest.raises(InputError, match="TR00_E001.pt: not the weights of VPoser v1.*enc_mu"):
        load_pose_prior(folder_with({"layer.weight": torch.ones(2, 2)}, tmp_path))
    with pytest.raises(InputError, match="size mismatch"):
        load_pose_prior(folder_with(good | {"bodyprior_dec_out.weight": torch.zeros(12, 512)}, tmp_path))
    with pytest.raises(InputError, match="bodyprior_dec_fc2.bias is not finite"):
        load_pose_prior(folder_with(good | {"bodyprior_dec_fc2.bias": torch.full((512,), torch.nan)}, tmp_path))


def test_shipped_prior_holds_the_demo_clips(body):
    """Clips from another source than the training data, encoded and decoded."""
    from optim.train.pose import joint_positions

    prior, joints_of = load_pose_prior(assets.POSE_PRIOR_FOLDER), joint_positions(body)
    for path in sorted(assets.DEMO_FOLDER.glob("*.npz")):
        with np.load(path) as clip:
            pose = axis_angle_to_matrix(torch.from_numpy(clip["poses"][:, 3:66]).float().unflatten(-1, (21, 3)))
        error = (joints_of(prior.decode(prior.encode(pose))) - joints_of(pose)).norm(dim=-1)
        assert float(error.mean()) < 0.03, f"{path.name}: {100 * float(error.mean()):.1f} cm"


def test_shipped_prior_minds_no_joint_that_its_data_never_moved():
    """The balls of the feet stand still in the training data; a user's motions bend them."""
    prior = load_pose_prior(assets.POSE_PRIOR_FOLDER)
    pose = prior.decode(torch.randn(100, 32, generator=torch.Generator().manual_seed(0)))
    bent = pose.clone()
    bent[:, 9:11] = axis_angle_to_matrix(torch.tensor([0.3, 0.0, 0.0])) @ bent[:, 9:11]
    assert float((prior.encode(bent) - prior.encode(pose)).norm(dim=-1).max()) < 1.0


def test_human_body_prior_reads_the_shipped_folder(capsys):
    from human_body_prior.tools.model_loader import load_vposer
    from human_body_prior.train.vposer_smpl import VPoser

    theirs, settings = load_vposer(str(assets.POSE_PRIOR_FOLDER), vp_model=VPoser)
    latent = torch.randn(5, 32)
    decoded = theirs.decode(latent, output_type="matrot").view(5, 21, 3, 3)
    torch.testing.assert_close(load_pose_prior(assets.POSE_PRIOR_FOLDER).decode(latent), decoded, atol=1e-5, rtol=0)
    assert (settings.num_neurons, settings.latentD, settings.data_shape) == (512, 32, [1, 21, 3])


def test_version_2_of_vposer_is_told(tmp_path):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "V02_05_epoch=08_val_loss=0.03.ckpt").touch()
    with pytest.raises(InputError, match="VPoser v2 .*trained with v1"):
        load_pose_prior(tmp_path)
