"""The command line: HuMoR's names, .cfg files, our own flags, and what is said of wrong ones."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import assets
from optim.common.errors import InputError
from optim.config.flags import WITHOUT_EFFECT
from optim.config.options import DEFAULT_CLIP
from optim.config.settings import Settings, parse
from optim.schedule.weights import PUBLIC_WEIGHTS, WEIGHT_FLAGS, WEIGHT_NAMES

NOISY_JOINTS = """
# values of the public configuration for noisy joints
--data-path {path}
--data-type AMASS
--data-fps 30
--amass-split-by dataset
--shuffle
--amass-batch-size 2
--amass-seq-len 60
--amass-use-joints
--amass-noise-std 0.04
--joint3d-weight 1.0 1.0 1.0
--pose-prior-weight 2e-4 2e-4 0.0
--num-iters 30 70 70
--stage3-tune-init-num-frames 15
--save-results
"""


def test_nothing_given_is_the_demo_on_the_shipped_models():
    settings = parse([])
    assert settings == Settings()
    assert (settings.data, settings.observations, settings.preset) == (DEFAULT_CLIP, "joints3d", "fast")
    assert settings.humor == assets.MOTION_PRIOR_FILE
    assert [phase.stage for phase in settings.schedule() if not phase.for_hidden] == [1, 2, 3]


def test_a_public_configuration_is_read_unchanged(tmp_path):
    path = tmp_path / "a motion#1.npz"
    config = tmp_path / "fit.cfg"
    config.write_text(NOISY_JOINTS.format(path=f"'{path}'"))
    settings = parse([f"@{config}", "--amass-noise-std", "0.02", "--seed", "7"])
    assert settings.data_path == path
    assert (settings.amass_noise_std, settings.seed, settings.amass_seq_len) == (0.02, 7, 60)
    assert settings.num_iters == (30, 70, 70)
    assert settings.weights == {"joints3d": (1.0, 1.0, 1.0), "pose_prior": (2e-4, 2e-4, 0.0)}
    told = " ".join(settings.notices)
    for flag in ("--shuffle", "--data-fps", "--amass-split-by", "--amass-batch-size", "--save-results"):
        assert f"{flag} has no effect" in told
    assert "--amass-seq-len" not in told


def test_weights_reach_the_schedule():
    for flag, term in WEIGHT_FLAGS.items():
        phases = parse([flag, "0.25", "0.5", "0.75", "--stage3-no-tune-init-state"]).schedule()
        assert [phase.weight(term) for phase in phases] == [0.25, 0.5, 0.75]
    assert set(WEIGHT_FLAGS.values()) == set(WEIGHT_NAMES)


def test_stage_flags_reach_the_schedule():
    arguments = "--num-iters 1 2 9 --lbfgs-max-iter 5 --stage3-tune-init-num-frames 8"
    bounds = "--stage3-tune-init-freeze-start 3 --stage3-tune-init-freeze-end 4 --stage3-full-contact"
    phases = parse(f"{arguments} {bounds}".split()).schedule()
    assert [phase.steps for phase in phases] == [1, 2, 3, 1, 5]
    assert {phase.iterations for phase in phases} == {5}
    assert phases[2].frames == 8
    assert phases[2].weight("contact_vel") == PUBLIC_WEIGHTS["3d"]["contact_vel"][2]


def test_what_is_observed_chooses_the_weights():
    assert parse(["--observations", "joints2d"]).schedule()[0].weight("joints2d") == 0.001
    verts = parse(["--data-path", "a.npz", "--amass-use-verts"])
    assert verts.observations == "verts3d" and verts.schedule()[0].weight("verts3d") == 1.0
    points = parse(["--data-path", "a.npz", "--amass-use-points"])
    assert points.observations == "points3d" and not points.through_camera
    assert points.schedule()[0].weight("points3d") == 1.0 and points.schedule()[0].weight("verts3d") == 0.0


def test_every_flag_without_effect_is_accepted_and_named():
    for flag, (values, reason) in WITHOUT_EFFECT.items():
        settings = parse([flag] + ([] if values == 0 else ["1"]))
        assert settings.notices == (f"{flag} has no effect here: {reason}",)


def test_a_split_brings_its_overlap_weight():
    split = parse(["--rgb-seq-len", "30", "--rgb-overlap-len", "6", "--batch-size", "2"])
    assert (split.rgb_seq_len, split.rgb_overlap_len, split.batch_size, split.notices) == (30, 6, 2, ())
    assert split.schedule()[0].weight("rgb_overlap_consist") == 1.0
    assert parse([]).schedule()[0].weight("rgb_overlap_consist") == 0.0
    own = parse(["--rgb-seq-len", "30", "--rgb-overlap-consist-weight", "3", "4", "5"])
    assert own.schedule()[1].weight("rgb_overlap_consist") == 4.0
    seen = parse(["--rgb-seq-len", "30", "--observations", "joints2d"])
    assert seen.schedule()[0].weight("rgb_overlap_consist") == PUBLIC_WEIGHTS["rgb"]["rgb_overlap_consist"][0]


def test_flags_of_a_split_without_one_are_named():
    told = parse(["--batch-size", "2", "--rgb-overlap-len", "5"]).notices
    assert [notice.split()[0] for notice in told] == ["--rgb-overlap-len", "--batch-size"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--rgb-seq-len 1", "--rgb-seq-len 1: at least 2"),
        ("--rgb-seq-len 20 --rgb-overlap-len 20", "--rgb-overlap-len 20: at least 0 and less than"),
        ("--rgb-seq-len 20 --rgb-overlap-len -1", "--rgb-overlap-len -1"),
        ("--rgb-seq-len 20 --batch-size 0", "--batch-size 0: at least 1"),
        ("--rgb-seq-len 20 --preset reference", "--observations joints2d"),
        ("--amass-nois-std 1", "did you mean --amass-noise-std"),
        ("--joints3d-weight=1", "did you mean --joint3d-weight"),
        ("clip.npz", "--data-path FILE.npz"),
        ("--num-iters 1 2", "--num-iters: expected 3"),
        ("--num-iters 1 2 -3", "num_iters"),
        ("--seed x", "--seed: invalid int value: 'x'"),
        ("--data-type RGB", "it goes with --data-path"),
        ("--person 2", "--person: it goes with --data-type SMPL or RGB"),
        ("--data-path a.mp4 --person 0", "counted from 1"),
        (
            "--data-path a.mp4 --sides swapped",
            "--sides: .* give them with --op-keypts",
        ),
        ("--data-path a.mp4 --keypoints-axes y-up", "--keypoints-axes: .* give them with --op-keypts"),
        ("--data-path a.mp4 --keypoints-set COCO-17", "--keypoints-set: .* give them with --op-keypts"),
        ("--data-path a.mp4 --keypoints-size 640 480", "--keypoints-size: .* give them with --op-keypts"),
        ("--data-type XYZ", "--data-type: invalid choice"),
        ("--bone-length-weight 0 0 -1", "bone_length is -1"),
        ("--amass-noise-std 0.1", "go(es)? with --data-path"),
        ("--data a --data-path b.npz", "choose one"),
        ("--data-path b.npz --observations joints2d", "of b.npz .AMASS. it can be joints3d, verts3d, points3d"),
        ("--data-path b.npz --observations joints3d --amass-use-verts", "choose one"),
        ("--data-type AMASS", "goes with --data-path"),
        ("--data-path b --data-type iMapper-RGB", "iMapper"),
        ("--observations points3d --num-points 0", "--num-points 0: from 1 to 100,000"),
        ("--robust-tuning-const 0", "more than 0"),
        ("--data-path b.npz --amass-noise-std -1", "0 or more"),
        ("--data-path b.npz --amass-noise-std nan", "0 or more"),
        ("--data-path b.npz --amass-use-joints --amass-use-verts", "choose one"),
        ("--amass-seq-len 1", "at least 2"),
        ("--amass-start-frame -1", "at least 0"),
        ("--joint2d-sigma 0", "more than 0"),
        ("--preset mine", "--preset: invalid choice"),
        ("--stage3-tune-init-freeze-start 60 --stage3-tune-init-freeze-end 50", "freeze_start 60"),
        ("@missing.cfg", "@missing.cfg: no such file"),
    ],
)
def test_wrong_flags_are_named_with_a_remedy(arguments, words):
    with pytest.raises(InputError, match=words) as error:
        parse(arguments.split())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--vpose 'somewhere", 'line 3: "--vpose \'somewhere": No closing quotation'),
        ("--vpose somewhere", "line 3: unknown flag --vpose; did you mean --vposer"),
        ("--joint3d-weigth 1 1 1", "line 3: unknown flag --joint3d-weigth; did you mean --joint3d-weight"),
        ("--joint3d-weight 1 1", "line 3: --joint3d-weight: expected 3 arguments"),
        ("--num-iters 30 x 70", "line 3: --num-iters: invalid int value: 'x'"),
        ("--data-type AMAS", "line 3: --data-type: invalid choice: 'AMAS'"),
        ("--seed 1 2", "line 3: '2' belongs to no flag"),
        ("joint3d-weight 1 1 1", "line 3: 'joint3d-weight' belongs to no flag"),
    ],
)
def test_a_typo_in_a_configuration_is_named_with_its_line(tmp_path, line, words):
    config = tmp_path / "my fit ü.cfg"
    config.write_text(f"--seed 3\n\n{line}\n--num-iters 1 2 3\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        parse([f"@{config}"])
    assert str(error.value).startswith(str(config)) and words in str(error.value)


def test_what_is_no_configuration_is_refused(tmp_path):
    (tmp_path / "a.cfg").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="a.cfg: not a text file"):
        parse([f"@{tmp_path / 'a.cfg'}"])
    with pytest.raises(InputError, match="a folder"):
        parse([f"@{tmp_path}"])


def test_settings_travel_to_another_process():
    settings = parse(["--bone-length-weight", "1", "2", "3"])
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_reading_the_command_line_needs_no_torch():
    """A typo should be told at once, not after seconds of imports."""
    code = "import sys; from optim.config.settings import parse; parse([]); print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_a_training_configuration_is_told(tmp_path):
    (tmp_path / "train.cfg").write_text("--dataset AmassDiscreteDataset\n--epochs 200\n")
    with pytest.raises(InputError, match=r"train\.cfg, line 1: --dataset belongs to HuMoR's training"):
        parse([f"@{tmp_path / 'train.cfg'}"])


@pytest.mark.parametrize(
    ("arguments", "preset"),
    [
        ("--observations joints3d", "fast"),
        ("--observations joints2d", "fast"),
        ("--observations joints3d_partial", "fast"),
        ("--observations verts3d", "humorscope"),
        ("--stage3-tune-init-num-frames 8", "humorscope"),
        ("--observations joints2d --preset humorscope", "humorscope"),
        ("--stage3-full-contact --preset direct", "direct"),
    ],
)
def test_the_preset_follows_from_the_data_where_none_is_named(arguments, preset):
    assert parse(arguments.split()).preset == preset
