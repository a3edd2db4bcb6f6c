"""``python -m optim.train``: train the priors on a folder of motion in AMASS format, or evaluate them."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import torch

import assets
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.loading.models import load_body, load_motion_prior
from optim.train.data import load_clips
from optim.train.evaluate import evaluate
from optim.train.motion import MotionTrainer, Recipe, pack, train


def _motion_prior(options: argparse.Namespace) -> None:
    body = load_body(options.smpl)
    given = {f.name: getattr(options, f.name) for f in fields(Recipe) if getattr(options, f.name, None) is not None}
    trainer = MotionTrainer(
        load_clips(options.data, body, split="train"),
        body,
        Recipe(**given),
        device=options.device,
        half=options.bfloat16,
    )
    checkpoint = options.out / "last.pth"
    options.out.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        print(f"continuing from {checkpoint} at update {trainer.update}", file=sys.stderr)
    progress = Progress(trainer.recipe.updates, done=trainer.update)
    smooth: dict[str, float] = {}

    def report(done: int, _total: int, terms: dict[str, float]) -> None:
        smooth.update({k: 0.99 * smooth.get(k, v) + 0.01 * v for k, v in terms.items()})
        progress.show(done, " ".join(f"{k} {v:.4f}" for k, v in smooth.items()))

    train(trainer, checkpoint, report=report)
    pack(checkpoint, options.out / "best_model.pth")
    print(f"wrote {options.out / 'best_model.pth'}; measure it with `python -m optim.train evaluate`", file=sys.stderr)


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

    run(options)


def _evaluate_pose(options: argparse.Namespace) -> None:
    from optim.train.evaluate_pose import run

    run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m optim.train", description=__doc__)
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
    motion.add_argument("--device", default="cpu", help="cpu or cuda")
    motion.add_argument(
        "--bfloat16", action=argparse.BooleanOptionalAction, default=True, help="matrix products in bfloat16"
    )
    for name in ("updates", "transitions"):
        motion.add_argument(f"--{name}", type=int)
    for name in ("learning_rate", "kl", "world", "input_noise", "beta_std"):
        motion.add_argument(f"--{name.replace('_', '-')}", type=float)

    pose = command("pose-prior", _pose_prior, "train VPoser, the pose prior; a stopped run is continued")
    pose.add_argument("--out", type=Path, required=True, help="folder to write in VPoser v1's layout")
    pose.add_argument("--device", default="cpu", help="cpu or cuda")
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
    return parser


@with_exit_status
def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
