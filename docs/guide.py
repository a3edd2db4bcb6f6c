"""The failing fits of docs/guide.md: opens one of them in the window, or makes the page's pictures and figures again.

    python docs/guide.py NAME [flags]     fit it in the window; NAME is the last word of a heading's command
    python docs/guide.py --write [NAME …] fit all or some, draw them, and put pictures, words and figures into the page

Each failure is a demo clip with other flags, or with one mistake in its data. A clip with a mistake is written to
``out/guide``. All fits of the page use ``FAST``, so that one takes seconds.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PAGE, IMAGES, CLIPS = ROOT / "docs" / "guide.md", ROOT / "docs" / "images" / "guide", ROOT / "out" / "guide"
FAST = "--amass-seq-len 40 --num-iters 8 20 6"
"""Flags of every fit of the page: the default preset, but short. Flags of a failure that come later win."""
WIDTH, QUALITY = 900, 82
"""Width [px] and quality of the pictures."""
FIGURES = (
    "joints_all",
    "joints_root_aligned",
    "joints_occluded",
    "acceleration",
    "foot_skate_mm",
    "mesh_penetration_mean_cm",
)
"""Metrics in every table (``optim.reporting.page.FIGURES``)."""
LEFT_RIGHT = ((13, 10), (14, 11), (12, 9), (19, 22), (20, 23), (21, 24))
"""Keypoints of the left and the right leg in BODY_25."""
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Failure:
    """A fit that fails, and the same fit with its cause removed."""

    flags: str
    mended: str
    spoil: Callable[[Arrays], None] | None = None
    """Puts the mistake into the arrays of the demo clip; the mended fit has the clip as it is."""


def _raised(metres: float) -> Callable[[Arrays], None]:
    def spoil(clip: Arrays) -> None:
        clip["joints3d"][..., 2] += metres

    return spoil


def _wrong_lens(clip: Arrays) -> None:
    clip["camera_matrix"][[0, 1], [0, 1]] *= 0.6


def _low_floor(clip: Arrays) -> None:
    """Move the observed floor down by 0.3 m; its normal points up, against the camera's y."""
    clip["floor_plane"][3] -= 0.3


def _other_keypoints(clip: Arrays) -> None:
    """Give the 18 keypoints of COCO, which has no middle of the hips, as the first 18 of BODY_25."""
    seen = clip["joints2d"]
    seen[:, 8:18] = seen[:, 9:19].copy()
    seen[:, 18:, 2] = 0.0


def _legs_exchanged(clip: Arrays) -> None:
    for left, right in LEFT_RIGHT:
        clip["joints2d"][12:20, [left, right]] = clip["joints2d"][12:20, [right, left]]


def _too_fast(clip: Arrays) -> None:
    """Every fourth frame taken for every one."""
    for name in ("trans", "poses", "joints3d", "joints3d_partial", "joints2d"):
        clip[name] = clip[name][::4].copy()


IMAGE, HIDDEN = "--observations joints2d", "--observations joints3d_partial"
ALL_TRUSTED = "--contradictions trusted"
"""Without it contradicting keypoints hardly count, and the fit does not fail."""
FAILURES = {
    "legs": Failure(HIDDEN, ""),
    "floating": Failure("", "", _raised(0.3)),
    "sinking": Failure("", "", _raised(-0.3)),
    "drift": Failure("--num-iters 8 20 1 --lbfgs-max-iter 3", ""),
    "overlap": Failure(
        f"{HIDDEN} --rgb-seq-len 21 --rgb-overlap-len 1 --rgb-overlap-consist-weight 0 0 0",
        f"{HIDDEN} --rgb-seq-len 25 --rgb-overlap-len 10",
    ),
    "lens": Failure(IMAGE, IMAGE, _wrong_lens),
    "floor": Failure(IMAGE, IMAGE, _low_floor),
    "keypoints": Failure(f"{IMAGE} {ALL_TRUSTED}", IMAGE, _other_keypoints),
    "exchanged": Failure(f"{IMAGE} {ALL_TRUSTED}", IMAGE, _legs_exchanged),
    "rate": Failure("--amass-seq-len 15", "", _too_fast),
    "smooth": Failure("--joint3d-smooth-weight 0 1000 1000", ""),
    "prior": Failure("--motion-prior-weight 0 0 0.03", ""),
    "stuck": Failure(
        "--shape-prior-weight 1e9 1e9 1e9 --amass-start-frame 10 --amass-seq-len 24 --preset humorscope"
        " --solvers lbfgs lbfgs lbfgs --num-iters 3 3 3",
        "",
    ),
    "lying": Failure(f"--data getup --amass-seq-len 60 {HIDDEN}", "--data getup --amass-seq-len 60"),
}


def arguments(name: str, *, mended: bool = False) -> list[str]:
    """Flags of a failure's fit; writes the clip with the mistake if it needs one."""
    failure = FAILURES[name]
    given = (failure.mended if mended else failure.flags).split()
    if failure.spoil is not None and not mended:
        given += ["--data", str(write_clip(name).relative_to(ROOT))]
    return given


def write_clip(name: str) -> Path:
    """The demo clip with the mistake of a failure, in the format of the demo clips."""
    import assets

    spoil = FAILURES[name].spoil
    assert spoil is not None
    with np.load(Path(assets.__file__).parent / "demo" / "default_walk_turn.npz") as stored:
        clip = {key: stored[key] for key in stored.files}
    spoil(clip)
    CLIPS.mkdir(parents=True, exist_ok=True)
    np.savez(CLIPS / f"{name}.npz", **clip)  # type: ignore[arg-type]
    return CLIPS / f"{name}.npz"


@dataclass(frozen=True)
class Fitted:
    """A fit of the page: its picture, the faults that *Why?* names, the likeliest first, and its figures."""

    picture: np.ndarray
    why: tuple[str, ...]
    figures: Mapping[str, float]


@cache
def fitted(flags: tuple[str, ...]) -> Fitted:
    """Fit, explain, measure and draw. Several failures share a mended fit."""
    from optim.config.settings import parse
    from optim.diagnostics.causes.table import causes
    from optim.loading.problem import load_session
    from optim.results.figures import stage_metrics
    from optim.results.results import of_session

    session = load_session(parse([*FAST.split(), *flags]))
    session.run()
    faults = [cause for cause in causes(session.fit) if cause.level != "good"]
    why = tuple(f"{cause.text} *{cause.advice}*" if cause.advice else cause.text for cause in faults)
    (*_, result) = of_session(session.fit)
    figures = dict(stage_metrics(result)[result.last_stage])
    figures["seam"] = max((seam.after.cm for seam in result.seams if seam.after), default=math.nan)
    return Fitted(drawn(result, [result.last_stage]), why, figures)


def drawn(result: object, stages: list[str]) -> np.ndarray:
    """Stages one below the other, in the width of the page."""
    import cv2

    from optim.reporting.stills import stage_pictures

    found, problem = stage_pictures(result, stages)  # type: ignore[arg-type]
    if not found:
        raise SystemExit(f"nothing can be drawn: {problem}")
    rows = [cv2.imdecode(np.frombuffer(found[stage], np.uint8), cv2.IMREAD_COLOR) for stage in stages]
    return np.vstack([cv2.resize(row, (WIDTH, WIDTH * row.shape[0] // row.shape[1]), interpolation=cv2.INTER_AREA)
                      for row in rows])  # fmt: skip


def write_picture(name: str, rows: list[np.ndarray]) -> None:
    import cv2

    IMAGES.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(IMAGES / f"{name}.jpg"), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def write_stages() -> None:
    """The picture of the concepts: the stages of the demo."""
    from optim import load_session
    from optim.results.results import of_session

    session = load_session(data="default_walk_turn", num_iters=(8, 20, 6))
    session.run()
    (result,) = of_session(session.fit)
    write_picture("stages", [drawn(result, list(result.stages))])


def section(name: str) -> str:
    """The part of the page that is made: command, picture, what *Why?* says, figures."""
    before, after = fitted(tuple(arguments(name))), fitted(tuple(arguments(name, mended=True)))
    write_picture(name, [before.picture, after.picture])
    flags = FAILURES[name].flags
    return "\n".join(
        [
            "```sh",
            f".venv/bin/python docs/guide.py {name}" + (f"   # {flags}" if flags else ""),
            "```",
            "",
            f"![Above: this fit. Below: with the cause removed.](images/guide/{name}.jpg)",
            "",
            "*Why?* says:" if before.why else "*Why?* finds nothing: it has no rule for this.",
            *(("", *(f"{number}. {text}" for number, text in enumerate(before.why, 1))) if before.why else ()),
            "",
            *([f"With the cause removed: {after.why[0]}", ""] if after.why else []),
            *_table(before.figures, after.figures),
        ]
    )


def _table(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    from optim.reporting.page import FIGURES as LABELS

    labels = {name: " ".join(filter(None, (LABELS[name][0], f"[{LABELS[name][1]}]"))) for name in FIGURES}
    labels["seam"] = "largest jump at a seam [cm]"
    rows = ["| | this fit | cause removed |", "|---|---|---|"]
    for name, label in labels.items():
        values = [of.get(name, math.nan) for of in (before, after)]
        if not all(map(math.isnan, values)):
            rows.append(f"| {label.lstrip('… ')} | {' | '.join(map(_number, values))} |")
    return rows


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def put(page: str, name: str, text: str) -> str:
    """The page with the part between a failure's marks replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if begin not in page or end not in page:
        raise SystemExit(f"{PAGE}: the marks {begin} and {end} are missing")
    return re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{text}\n{end}", page, flags=re.DOTALL)


def main(words: list[str]) -> int:
    """Open a failure in the window, or write the page; returns the exit status."""
    if words and words[0] == "--write":
        for name in words[1:] or ["stages", *FAILURES]:
            print(name, flush=True)
            if name == "stages":
                write_stages()
            else:
                text = section(name)
                PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), name, text), encoding="utf-8")
        return 0
    if not words or words[0] not in FAILURES:
        print(f"{__doc__}\nNAME is one of {', '.join(FAILURES)}")
        return 2
    command = [sys.executable, str(ROOT / "run_viewer.py"), *FAST.split(), *arguments(words[0]), *words[1:]]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
