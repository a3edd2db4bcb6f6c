"""``humorscope train``: train the priors on a folder of motion in AMASS format, or evaluate them."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, fields
from pathlib import Path

import torch

import assets
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.loading.models import load_body, load_motion_prior
from optim.priors.motion_prior import MotionPrior
from optim.train.data import load_clips
from optim.train.evaluate import evaluate, score
from optim.train.motion import MotionTrainer, train
from optim.train.recipe import Recipe

DEVICES = ("cpu", "cuda", "auto")


def device_named(name: str) -> str:
    """The device for one of ``DEVICES``.

    Raises:
        InputError: "cuda" is asked for, and there is no GPU that this installation of torch can use.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU that CUDA knows; use --device cpu or auto")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def _motion_prior(options: argparse.Namespace) -> None:
    body = load_body(options.smpl)
    given = {f.name: getattr(options, f.name) for f in fields(Recipe) if getattr(options, f.name, None) is not None}
    device = device_named(options.device)
    recipe, start = Recipe(**given), None
    if options.start is not None:
        recipe, start = recipe.continued(), load_motion_prior(options.start)
    clips = load_clips(options.data, body, split="train")
    trainer = MotionTrainer(clips, body, recipe, device=device, half=options.bfloat16, start=start)
    checkpoint = options.out / "last.pth"
    options.out.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        print(f"continuing from {checkpoint} at update {trainer.update}", file=sys.stderr)
    kept_out = load_clips(options.data, body, split="val").to(device) if options.validations else None
    progress = Progress(1000, done=round(1000 * trainer.progress))
    smooth: dict[str, float] = {}

    def report(trainer: MotionTrainer, terms: dict[str, torch.Tensor]) -> None:
        if trainer.update % 20 == 0:  # reading the terms waits for the device
            smooth.update({k: 0.8 * smooth.get(k, float(v)) + 0.2 * float(v) for k, v in terms.items()})
            progress.show(round(1000 * trainer.progress), " ".join(f"{k} {v:.4f}" for k, v in smooth.items()))

    def validate(prior: MotionPrior) -> tuple[float, dict[str, float]]:
        assert kept_out is not None
        figures = evaluate(prior, kept_out, trainer.body, seed=trainer.recipe.seed)
        print(
            f"\nupdate {trainer.update}, {trainer.seconds / 60:.1f} minutes, score {score(figures):.3f}",
            file=sys.stderr,
        )
        print("\n".join(figures.lines()), file=sys.stderr)
        return score(figures), {k: float(v) for k, v in asdict(figures).items()}

    train(
        trainer,
        options.out,
        validate=validate if options.validations else None,
        validations=options.validations,
        report=report,
    )
    print(f"wrote {options.out / 'best_model.pth'}; measure it with `humorscope train evaluate`", file=sys.stderr)


def _init_state(options: argparse.Namespace) -> None:
    from optim.train.init_state import draw_features, fit_mixture, save_mixture

    body = load_body(options.smpl)
    samples = draw_features(
        load_clips(options.data, body, split="train"), body, options.samples, seed=options.seed or 0
    )
    save_mixture(options.out, fit_mixture(samples, components=options.components, seed=options.seed or 0))
    print(f"wrote {options.out}", file=sys.stderr)


def _evaluate(options: argparse.Namespace) -> None:
    body = load_body(options.smpl)
    clips = load_clips(options.data, body, split=None if options.split == "all" else options.split)
    report = evaluate(load_motion_prior(options.humor), clips, body, frames=options.frames, seed=options.seed or 0)
    print("\n".join(report.lines()))


def _pose_prior(options: argparse.Namespace) -> None:
    from optim.train.pose import run

    run(options, device=device_named(options.device))


def _evaluate_pose(options: argparse.Namespace) -> None:
    from optim.train.evaluate_pose import run

    run(options)


def _evaluate_planting(options: argparse.Namespace) -> None:
    from optim.train.evaluate_planting import run

    run(options)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="humorscope train", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="processor threads for the matrix products")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        sub.add_argument("--data", type=Path, required=True, help="folder of AMASS-format .npz clips")
        sub.add_argument(
            "--smpl", type=Path, default=assets.BODY_FOLDER, help="SMPL+H folder or file (default: the free body)"
        )
        sub.add_argument("--seed", type=int)
        return sub

    motion = command("motion-prior", _motion_prior, "train HuMoR's motion prior; a stopped run is continued")
    motion.add_argument("--out", type=Path, required=True, help="folder for last.pth (resumable) and best_model.pth")
    motion.add_argument("--device", choices=DEVICES, default="cpu", help="auto: a GPU that CUDA knows, or else the cpu")
    motion.add_argument(
        "--bfloat16",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="matrix products of the networks in bfloat16, on a GPU in TF32",
    )
    motion.add_argument(
        "--validations", type=int, default=12, help="how often weights are measured on the split val; 0 keeps the last"
    )
    for name in ("updates", "transitions", "fewest_windows"):
        motion.add_argument(f"--{name.replace('_', '-')}", type=int)
    motion.add_argument(
        "--start", type=Path, help="checkpoint to go on from: the recipe's last phase, from the first update"
    )
    motion.add_argument("--minutes", type=float, help="end the run after this time; its phases adapt to it")
    for name in (
        *("learning_rate", "kl", "world", "input_noise", "beta_std", "rare_share", "average"),
        *("sampled_share", "sample_slide", "sample_speed", "sample_consistency", "joint_consistency"),
        *("lent_arms", "planted_share", "single_share", "weight_decay"),
    ):
        motion.add_argument(f"--{name.replace('_', '-')}", type=float)

    pose = command("pose-prior", _pose_prior, "train VPoser, the pose prior; a stopped run is continued")
    pose.add_argument("--out", type=Path, required=True, help="folder to write in VPoser v1's layout")
    pose.add_argument("--device", choices=DEVICES, default="cpu", help="auto: a GPU that CUDA knows, or else the cpu")
    pose.add_argument(
        "--bfloat16", action=argparse.BooleanOptionalAction, default=True, help="matrix products in bfloat16"
    )
    for name in ("steps", "batch"):
        pose.add_argument(f"--{name}", type=int)
    for name in ("learning_rate", "kl", "joint_sigma", "rotation_sigma", "dropout", "swapped"):
        pose.add_argument(f"--{name.replace('_', '-')}", type=float)

    state = command("init-state", _init_state, "fit the prior of the initial state (needs scikit-learn)")
    state.add_argument("--out", type=Path, required=True, help="the prior_gmm.npz to write")
    state.add_argument("--components", type=int, default=12)
    state.add_argument("--samples", type=int, default=60_000)

    measure = command("evaluate", _evaluate, "evaluate a motion prior on a split of the data")
    measure.add_argument("--humor", type=Path, default=assets.MOTION_PRIOR_FILE, help="checkpoint to evaluate")
    measure.add_argument("--split", default="val", choices=("train", "val", "all"))
    measure.add_argument("--frames", type=int, default=60, help="length of the roll-outs")

    measure_pose = command("evaluate-pose-prior", _evaluate_pose, "evaluate a pose prior and draw samples from it")
    measure_pose.add_argument("--vposer", type=Path, default=assets.POSE_PRIOR_FOLDER)
    measure_pose.add_argument("--split", default="val", choices=("train", "val", "all"))
    measure_pose.add_argument("--picture", type=Path, help="file for a picture of samples from N(0, I)")

    measure_planting = command("evaluate-planting", _evaluate_planting, "measure what --planted-share does to the data")
    measure_planting.add_argument("--split", default="train", choices=("train", "val", "all"))
    return parser


@with_exit_status
def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = build_parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
