"""Every configuration that HuMoR ships for fitting is read as it is: its flags mean here what they mean there."""

import pytest

from optim.common.errors import InputError
from optim.config.flags import WITHOUT_EFFECT
from optim.config.settings import parse
from optim.schedule.weights import PUBLIC_WEIGHTS

MODELS = (
    "--init-motion-prior ./checkpoints/init_state_prior_gmm\n"
    "--humor ./checkpoints/humor/best_model.pth\n--smpl ./body_models/smplh/neutral/model.npz"
)
STAGE_3 = (
    "--lr 1.0\n--stage3-tune-init-num-frames 15\n--stage3-tune-init-freeze-start 30\n--stage3-tune-init-freeze-end 55"
)
ROBUST = "--robust-loss bisquare\n--robust-tuning-const 4.6851\n--joint2d-sigma 100"
AMASS = (
    "--data-path ./data/amass_processed --data-type AMASS --data-fps 30\n--amass-split-by dataset\n--shuffle\n"
    "--amass-batch-size 2 --amass-seq-len 60\n--gt-body-type smplh\n--num-iters 30 70 70"
)
VIDEO = (
    "--data-path ./data/rgb_demo/hiphop_clip1.mp4\n--data-type RGB\n--mask-joints2d\n--openpose ./external/openpose\n"
    "--num-iters 30 80 70"
)
PROX = "--data-path ./data/prox\n--data-fps 30\n--prox-batch-size 2\n--prox-seq-len 60"
SHIPPED = {
    "fit_amass_joints": (f"{AMASS}\n--amass-use-joints\n--amass-noise-std 0.04", "3d", {}),
    "fit_amass_keypts": (
        f"{AMASS}\n--amass-use-verts\n--amass-noise-std 0.0\n--amass-make-partial\n--amass-partial-height 0.9",
        "verts3d",
        {},
    ),
    "fit_rgb_demo_no_split": (f"{VIDEO}\n{ROBUST}\n--batch-size 1", "rgb", {"rgb_overlap_consist": (0, 0, 0)}),
    "fit_rgb_demo_use_split": (
        f"{VIDEO}\n{ROBUST}\n--batch-size 2\n--rgb-seq-len 60\n--rgb-overlap-len 10",
        "rgb",
        {},
    ),
    "fit_prox": (
        f"{PROX}\n--data-type PROX-RGB\n{ROBUST}\n--num-iters 30 80 70",
        "rgb",
        {"motion_prior": (0, 0, 0.05), "init_motion_prior": (0, 0, 0.05), "rgb_overlap_consist": (0, 0, 0)},
    ),
    "fit_proxd": (f"{PROX}\n--data-type PROX-RGBD\n{ROBUST}\n--motion-optim-shape\n--num-iters 30 70 70", "rgbd", {}),
    "fit_imapper": (
        f"--data-path ./data/iMapper/i3DB\n--data-type iMapper-RGB\n--data-fps 30\n--mask-joints2d\n{ROBUST}\n"
        "--batch-size 2\n--imapper-seq-len 60\n--num-iters 30 80 70",
        "rgb",
        {},
    ),
}
"""Name → flags but for weights, table of weights, weights that differ from it."""
FLAG_OF = {"joints2d": "joint2d", "joints3d": "joint3d", "verts3d": "vert3d", "points3d": "point3d"}
OF_HUMOR = (
    "data-path data-type data-fps batch-size shuffle amass-split-by amass-custom-split amass-batch-size amass-seq-len"
    " amass-use-joints amass-root-joint-only amass-use-verts amass-use-points amass-noise-std amass-make-partial"
    " amass-partial-height amass-drop-middle prox-batch-size prox-seq-len prox-recording prox-recording-subseq-idx"
    " imapper-seq-len imapper-scene imapper-scene-subseq-idx rgb-seq-len rgb-overlap-len rgb-intrinsics"
    " rgb-planercnn-res rgb-overlap-consist-weight mask-joints2d op-keypts joint3d-weight joint3d-rollout-weight"
    " joint3d-smooth-weight vert3d-weight point3d-weight joint2d-weight pose-prior-weight shape-prior-weight"
    " motion-prior-weight init-motion-prior-weight joint-consistency-weight bone-length-weight contact-vel-weight"
    " contact-height-weight floor-reg-weight robust-loss robust-tuning-const joint2d-sigma stage3-no-tune-init-state"
    " stage3-tune-init-num-frames stage3-tune-init-freeze-start stage3-tune-init-freeze-end stage3-full-contact smpl"
    " gt-body-type vposer openpose humor humor-out-rot-rep humor-in-rot-rep humor-latent-size humor-model-data-config"
    " humor-steps-in init-motion-prior lr num-iters lbfgs-max-iter out save-results save-stages-results"
)


def configuration(name):
    """The file as HuMoR ships it, and the weights it stands for."""
    flags, table, own = SHIPPED[name]
    weights = PUBLIC_WEIGHTS[table] | own
    lines = []
    for term, values in weights.items():
        flag = FLAG_OF.get(term, term.replace("joints3d", "joint3d").replace("_", "-"))
        lines.append(f"--{flag}-weight {' '.join(map(str, values))}")
    return "\n\n".join(["", flags, MODELS, STAGE_3, *lines, "--save-results", "--save-stages-results\n"]), weights


@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"fit_imapper"}))
@pytest.mark.parametrize("preset", ["humorscope", "reference"])
def test_a_shipped_configuration_is_read_as_it_is(tmp_path, name, preset):
    text, weights = configuration(name)
    config = tmp_path / f"{name}.cfg"
    config.write_text(text)
    settings = parse([f"@{config}", "--data-path", str(tmp_path / "own"), "--preset", preset])
    assert settings.data_path == tmp_path / "own"
    phases = settings.schedule()
    assert [sum(phase.steps for phase in phases if phase.stage == stage) for stage in (1, 2, 3)] == list(
        settings.num_iters
    )
    for term, values in weights.items():
        given = [(p.stage, 0.0 if p.is_joining(term) else p.weight(term)) for p in phases]
        assert [max(weight for k, weight in given if k == stage) for stage in (1, 2, 3)] == list(values), term
    for notice in settings.notices:
        assert "has no effect here: " in notice


def test_what_is_not_read_says_what_to_do(tmp_path):
    config = tmp_path / "fit_imapper.cfg"
    config.write_text(configuration("fit_imapper")[0])
    with pytest.raises(InputError, match="iMapper-RGB: iMapper's scenes are not read; give their video"):
        parse([f"@{config}"])


def test_every_flag_of_the_public_command_line_is_known():
    from optim.config.flags import build_parser

    known = build_parser()._option_string_actions
    assert not [name for name in OF_HUMOR.split() if f"--{name}" not in known]
    assert all(reason for _, reason in WITHOUT_EFFECT.values())
