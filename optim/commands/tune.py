"""``humorscope tune``: search for better weights, solvers or presets with Optuna, over recorded runs or many clips.

``--search`` names what may change: ``planted_vel`` (÷ 30 to × 30 of its present weight in stage 3), ``pose_prior@2``
(in stage 2), ``motion_prior=1e-4:1e-2`` (a range), ``solver@3=lbfgs,lbfgs-gn``, ``preset=direct,gauss-newton``,
``flat_gain``. Where only weights of stage 3 are searched, each clip is fitted once, and every trial goes on from there
for some iterations. Otherwise trials begin with the first stage that is concerned.

``--objectives`` names the figures to make better, all at once; several give a Pareto front. With one objective, trials
that are no use are given up early; with several this is not possible, because Optuna does not prune them. A part of the
clips is held out: no trial sees them, and the result is compared on them at the end.

The study is one file. The same command in other processes, or on other machines that see the file, adds trials to the
same study; a search that was stopped goes on when it is started again. ``optuna-dashboard FILE`` shows it. The fits
that trials begin from are kept beside it, so that every process finds those that another one has made.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from optim.commands.model_flags import MODEL_FLAGS
from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.logs import start_logging
from optim.common.progress import Progress
from optim.evaluation.protocols import PROTOCOLS, Models, choose_extracts, preset_of
from optim.loading.models import load_body, load_init_state_prior, load_motion_prior
from optim.priors.pose_prior import load_pose_prior
from optim.tuning.choosing import baseline, split, taken
from optim.tuning.figures import FIGURES, checked
from optim.tuning.fits import WARM_ITERATIONS, Clip
from optim.tuning.material import Degraded, Material, Runs
from optim.tuning.report import comparison, save_configuration, summary
from optim.tuning.space import parameters, present
from optim.tuning.study import FEWEST_CLIPS, Description, Study, Trial


def material_of(options: argparse.Namespace) -> Material:
    """The runs or the clips that the options name.

    Raises:
        InputError: There are none, or both, or they cannot be read.
    """
    given = {flag: getattr(options, flag[2:].replace("-", "_")) for flag in MODEL_FLAGS}
    if bool(options.runs) == (options.data is not None):
        raise InputError("give recorded runs, or --data FOLDER of clips; one of the two")
    if options.runs:
        elsewhere = [word for flag, path in given.items() if path is not None for word in (flag, str(path))]
        return Runs(options.runs, models=elsewhere)
    body, pose, motion, state = (given[flag] or default for flag, default in MODEL_FLAGS.items())
    models = Models(load_body(body), load_pose_prior(pose), load_motion_prior(motion), load_init_state_prior(state))
    count, frames = options.clips, options.frames
    wanted = None if options.split == "all" else options.split
    extracts = choose_extracts(options.data, models.body, count=count, frames=frames, split=wanted)
    more = {name: getattr(options, name) for name in ("solvers", "flat_gain", "num_iters")}
    preset = options.preset or preset_of(options.protocol)
    folder = options.storage.with_name(f"{options.storage.stem}_fits")
    return Degraded(extracts, models, options.protocol, options.seed, preset, more, folder)


def search(options: argparse.Namespace) -> None:
    """Add trials to the study, compare the one to take on held-out clips, print both and save the configuration.

    Raises:
        InputError: Something that the options name cannot be used.
    """
    objectives, material = checked(options.objectives), material_of(options)
    searched = parameters(options.search, material.phases)
    clips, held_out = split(material.names, share=options.held_out, seed=options.seed)
    how = {**material.how, "iterations": options.iterations}
    description = Description(tuple(one.text for one in searched), objectives, clips, held_out, how)
    for line in remarks(description, prune=not options.no_pruning):
        print(line, file=sys.stderr)
    study = Study(options.storage, searched, description, seed=options.sampler_seed, prune=not options.no_pruning)
    study.begin_with(present(searched, material.phases))
    fits = [material.clip(name, searched, iterations=options.iterations) for name in clips]
    if study.finished < options.trials:
        prepare(fits)
    progress = Progress(options.trials, done=study.finished, unit="trials")
    for trial in study.search(fits, trials=options.trials):
        progress.show(study.finished, f"trial {trial.number} {trial.state}")
    chosen = _chosen(study, options.trial)
    if chosen is not None and held_out:
        left = [material.clip(name, searched, iterations=options.iterations) for name in held_out]
        prepare(left)
        first = baseline(study.trials())
        for trial in [*([first] if first is not None and first is not chosen else []), chosen]:
            keep_held_out(study, trial, left)
    print(told(study, chosen))
    if options.save_cfg is not None and chosen is not None:
        save_configuration(options.save_cfg, material.phases, searched, chosen, data=material.data)
        print(f"\ntrial {chosen.number} is in {options.save_cfg}; humorscope @{options.save_cfg} fits with it")


def prepare(clips: Sequence[Clip]) -> None:
    """Fit what the trials of every clip begin from.

    The order is one of chance, so that processes that begin together make different fits and then read those of others.
    """
    progress = Progress(len(clips), unit="fits that trials begin from")
    for done, clip in enumerate(random.sample(clips, len(clips)), 1):
        clip.prepare()
        progress.show(done)


def keep_held_out(study: Study, trial: Trial, clips: Sequence[Clip]) -> None:
    """Fit held-out clips under the point of a trial, if that has not been done."""
    if study.held_out(trial.number) is not None:
        return
    rows = {}
    for clip in clips:
        *_, rows[clip.name] = clip.figures(trial.point)
    study.keep_held_out(trial.number, rows)


def told(study: Study, chosen: Trial | None) -> str:
    """The front, and how the chosen trial compares on the clips of the search and on those held out."""
    about, trials = study.description, study.trials()
    parts = [summary(trials, about)]
    first = baseline(trials)
    if chosen is not None and first is not None:
        parts.append(f"trial {chosen.number} on {counted(about.clips)} of the search (* objectives):")
        parts.append(comparison(first.clips, chosen.clips, objectives=about.objectives))
        before, after = study.held_out(first.number), study.held_out(chosen.number)
        if before is not None and after is not None:
            parts.append(f"trial {chosen.number} on {counted(before)} that no trial has seen:")
            parts.append(comparison(before, after, objectives=about.objectives))
    return "\n\n".join(parts)


def counted(clips: Collection[str]) -> str:
    """Number of clips, in words."""
    return "1 clip" if len(clips) == 1 else f"{len(clips)} clips"


def remarks(about: Description, *, prune: bool) -> list[str]:
    """What a user should know before the search begins."""
    found = []
    if len(about.objectives) > 1 and prune:
        found.append("several objectives: every trial is fitted to its end, because Optuna does not prune them")
    elif 1 < len(about.clips) < FEWEST_CLIPS and prune:
        found.append(f"fewer than {FEWEST_CLIPS} clips: no trial can be given up early")
    if not about.held_out:
        found.append("no clip is held out: what is found may be good for these clips only")
    return found


def _chosen(study: Study, number: int | None) -> Trial | None:
    trials = study.trials()
    if number is None:
        return taken(trials, study.description.objectives)
    if not 0 <= number < len(trials) or not trials[number].values:
        raise InputError(f"--trial {number}: the study has no complete trial of this number")
    return trials[number]


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="humorscope tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="recorded runs to go on from")
    parser.add_argument("--storage", type=Path, required=True, metavar="FILE", help="file of the study")
    parser.add_argument("--search", nargs="+", required=True, metavar="NAME", help="NAME, NAME@STAGE, NAME=LOW:HIGH …")
    names = ", ".join(FIGURES)
    parser.add_argument("--objectives", nargs="+", required=True, metavar="FIGURE", help=f"one or several of {names}")
    parser.add_argument("--trials", type=int, default=50, help="number of trials that the study is to have (50)")
    parser.add_argument(
        "--iterations",
        type=int,
        metavar="N",
        help=f"most iterations of a trial ({WARM_ITERATIONS} from the end of a fit, otherwise the whole schedule)",
    )
    parser.add_argument("--held-out", type=float, default=1 / 3, metavar="SHARE", help="share of the clips (1/3)")
    parser.add_argument("--no-pruning", action="store_true", help="fit every trial to its end")
    parser.add_argument("--save-cfg", type=Path, metavar="FILE", help="write the trial to take as a configuration")
    parser.add_argument("--trial", type=int, metavar="N", help="the trial to take (the best; of several, a compromise)")
    parser.add_argument("--sampler-seed", type=int, metavar="N", help="for the same trials again, in one process only")
    parser.add_argument("--threads", type=int, default=1)
    group = parser.add_argument_group("clips of motion capture, in place of runs")
    group.add_argument("--data", type=Path, metavar="FOLDER", help="AMASS-format .npz clips")
    group.add_argument("--protocol", choices=sorted(PROTOCOLS), default="noisy")
    group.add_argument("--clips", type=int, default=12)
    group.add_argument("--frames", type=int, default=60)
    group.add_argument("--split", default="val", choices=("train", "val", "all"))
    group.add_argument("--seed", type=int, default=0, help="of the noise, and of the choice of clips that are held out")
    group.add_argument("--preset", help="rules of the fits (those of a fit of the same data)")
    group.add_argument("--solvers", nargs=3, metavar="NAME", help="solvers of the three stages (those of the preset)")
    group.add_argument("--num-iters", type=int, nargs=3, help="outer steps of the three stages")
    group.add_argument("--flat-gain", type=float, help="rule that ends a phase early (that of the preset)")
    models = parser.add_argument_group("models")
    for flag in MODEL_FLAGS:
        models.add_argument(flag, type=Path, metavar="FILE|DIR")
    return parser


@with_exit_status
def main(arguments: list[str] | None = None) -> int:
    """Search and print what was found; returns the exit status."""
    options = build_parser().parse_args(arguments)
    start_logging()
    threads.use(options.threads)
    try:
        search(options)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {options.storage}", file=sys.stderr)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
