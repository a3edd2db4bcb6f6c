"""Write the page of a report: one section per clip and the means over all clips. The file needs no other file.

Computes the values that ``templates/page.html`` shows.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from optim.checks.check import SEVERITIES, Checked
from optim.config.settings import Settings
from optim.diagnostics.quantities import QUANTITIES
from optim.evaluation.tables import NAMES
from optim.reporting.charts import Chart, Curve, line_chart
from optim.reporting.rendering import render
from optim.reporting.stills import stage_pictures
from optim.results.figures import drift_curves, floors, per_frame, stage_metrics
from optim.results.results import FitResult, LossRow
from optim.schedule.terms import TERMS

FIGURES = {
    "joints_all": ("joints, mean error", "cm"),
    "joints_visible": ("… that were seen", "cm"),
    "joints_occluded": ("… that were hidden", "cm"),
    "joints_end_effectors": ("… ankles, toes, wrists", "cm"),
    "joints_legs": ("… knees, ankles, toes", "cm"),
    "joints_root_aligned": ("… root on root", "cm"),
    "mesh": ("mesh, mean error", "cm"),
    "contact_accuracy": ("contact labels that are right", ""),
    "acceleration": ("acceleration of joints", "m/s²"),
    "acceleration_of_truth": ("… in the truth", "m/s²"),
    "foot_skate_mm": ("foot skate near the floor", "mm/frame"),
    "penetration_mean_cm": ("toes below the floor, mean", "cm"),
    **{f"penetration_over_{k}_cm": (f"… by more than {k} cm, share", "") for k in (0, 3, 6, 9, 12, 15)},
    "mesh_penetration_mean_cm": ("lowest vertex below the floor, mean", "cm"),
}
"""Metric → its label on the page, and its unit."""
LARGER_IS_BETTER = ("contact_accuracy",)
NOT_COMPARED = ("acceleration", "acceleration_of_truth")
_LEVELS = {"bad": "wrong", "warn": "doubtful", "good": "in order"}
TERM_UNITS = {term.name: term.unit for term in TERMS}


@dataclass(frozen=True)
class Table:
    """Head and rows of a table. Cells are text, or Markup if they are bold."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Pictures:
    """Pictures of the stages, or the reason why there are none."""

    images: Mapping[str, str]
    """Name of the stage → PNG file in base64."""
    about: str
    problem: str | None


@dataclass(frozen=True)
class Losses:
    """Losses of a fit as a chart, a table at the end of every phase, and the units of the terms."""

    chart: Markup
    table: Table
    units: str


@dataclass(frozen=True)
class Clip:
    """Sections of one clip. Those that are None or empty are not shown."""

    name: str
    facts: str
    pictures: Pictures | None
    fitted_whole: bool
    """Whether the clip was fitted without a split, so that it has losses of its own."""
    losses: Losses | None
    why: Table | None
    """What the rules say about the fit, the likeliest cause first; None if it was not kept."""
    figures: Table
    frames: Sequence[Markup]
    drift: Sequence[Markup]
    floor: Table | None
    seams: Table | None
    checks: Table | None


@dataclass(frozen=True)
class Run:
    """Settings and versions of a run."""

    changed: Table
    others: Table
    versions: Table


def page(results: Sequence[FitResult], *, title: str, pictures: bool = True) -> str:
    """The whole document as HTML.

    Args:
        results: One result, or all results of a run. The means over several clips come first.
        title: Title of the page.
        pictures: Whether to draw the stages. With several clips, only the last stage of each is drawn.
    """
    measured = [stage_metrics(result) for result in results]
    averaged = [figures for result, figures in zip(results, measured, strict=True) if not result.seams]
    clips = []
    for result, figures in zip(results, measured, strict=True):
        stages = list(result.stages) if len(results) == 1 else [result.last_stage]
        clips.append(_clip(result, figures, pictured=stages if pictures else []))
    values = {
        "title": title,
        "about": _about(results),
        "means": _figures_table(_means(averaged)) if len(results) > 1 else None,
        "averaged": len(averaged),
        "clips": clips,
        "run": _run(results[0].info),
    }
    return render("page.html", values) + "\n"


def _clip(result: FitResult, figures: dict[str, dict[str, float]], *, pictured: Sequence[str]) -> Clip:
    return Clip(
        name=result.name,
        facts=_facts(result),
        pictures=_pictures(result, pictured) if pictured else None,
        fitted_whole=not result.seams,
        losses=_losses(result.losses) if result.losses and not result.seams else None,
        why=_why_table(result.info),
        figures=_figures_table(figures),
        frames=_frame_charts(result),
        drift=_drift_charts(result),
        floor=_floor_table(result),
        seams=_seams_table(result),
        checks=_checks_table(result),
    )


def _why_table(info: Mapping[str, Any]) -> Table | None:
    """Faults with evidence and advice, then what is in order in one row each."""
    rows = []
    for cause in info.get("why", ()):
        said = f"{cause['text']} (frame {cause['frame']})" if cause["frame"] is not None else cause["text"]
        rows.append(
            [
                _LEVELS.get(cause["level"], cause["level"]),
                cause["rule"],
                said,
                "; ".join(cause["evidence"]),
                cause["advice"],
            ]
        )
    return Table(["", "cause", "", "evidence", "what to try"], rows) if "why" in info else None


def _about(results: Sequence[FitResult]) -> str:
    whole = [result for result in results if result.seams] or results
    info = whole[0].info
    words = [f"{sum(result.frames for result in whole)} frames at {whole[0].fps:g} Hz"]
    words += [f"fitted in {float(info['seconds']) / 60:.1f} minutes"] if len(whole) == 1 and "seconds" in info else []
    words += [f"preset {info['settings']['preset']}"] if "settings" in info else []
    words += [] if info.get("done", True) else ["stopped before the end of the schedule"]
    return ", ".join(words)


def _facts(result: FitResult) -> str:
    seen = result.observations
    observed = [] if seen is None else [f"{name} ({_share(mask):.0%} seen)" for name, mask in seen.visible.items()]
    words = [f"{result.frames} frames", f"observed: {', '.join(observed)}" if observed else "observations not kept"]
    words.append("seen by a camera" if result.camera is not None else "in a world with z up")
    words.append("with ground truth" if result.truth is not None else "without ground truth")
    return "; ".join(words) + "."


def _share(mask: Any) -> float:
    return float(mask.float().mean())


def _pictures(result: FitResult, stages: Sequence[str]) -> Pictures:
    found, problem = stage_pictures(result, stages)
    about = "Frames from first to last, moved to stand in a row"
    about += "; blue-grey: ground truth" if result.truth is not None else ""
    about += "; green: observed" if result.observations is not None and result.camera is None else ""
    images = {_named(stage): base64.b64encode(png).decode() for stage, png in found.items()}
    return Pictures(images, f"{about}.", problem)


def _losses(rows: Sequence[LossRow]) -> Losses:
    x = np.arange(len(rows), dtype=float)
    names = [name for name in dict.fromkeys(k for row in rows for k in row) if f"{name}_raw" in _keys(rows)]
    curves: dict[str, Curve] = {name: (x, _column(rows, name)) for name in ("total", *names)}
    starts = [k for k, row in enumerate(rows) if k == 0 or row["phase"] != rows[k - 1]["phase"]]
    marks = [(float(k), str(rows[k]["phase"])) for k in starts]
    chart = line_chart(
        curves,
        title="Loss, total and weighted terms",
        x_label="iteration",
        logarithmic=True,
        marks=marks,
        size=(1000, 360),
    )
    ends = [k - 1 for k in starts[1:]] + [len(rows) - 1]
    head = ["term, at the end of …", *(str(rows[k]["phase"]) for k in ends)]
    body = [["total", *(_number(rows[k]["total"]) for k in ends)]]
    body += [[name.replace("_", " "), *(_number(rows[k].get(name)) for k in ends)] for name in names]
    units = ", ".join(f"{name.replace('_', ' ')} {TERM_UNITS[name]}" for name in names if name in TERM_UNITS)
    return Losses(chart, Table(head, body), units)


def _figures_table(figures: Mapping[str, Mapping[str, float]]) -> Table:
    """Table with a row for each metric that is known. The value of the best stage is bold."""
    stages = list(figures)
    rows = []
    for name, (label, unit) in FIGURES.items():
        values = [figures[stage].get(name, math.nan) for stage in stages]
        if all(math.isnan(value) for value in values):
            continue
        cells = [_number(value) for value in values]
        known = [v for v in values if not math.isnan(v)]
        if len(known) > 1 and name not in NOT_COMPARED and max(known) > min(known):
            best = max(known) if name in LARGER_IS_BETTER else min(known)
            cells = [Markup("<b>{}</b>").format(c) if v == best else c for c, v in zip(cells, values, strict=True)]
        rows.append([f"{label} [{unit}]" if unit else label, *cells])
    return Table(["", *map(_named, stages)], rows)


def _frame_charts(result: FitResult) -> list[Chart]:
    stages = [stage for stage in ("stage2", "stage3_init", "stage3") if stage in result.stages] or [result.last_stage]
    columns = {stage: per_frame(result, stage) for stage in stages}
    x = np.arange(result.frames, dtype=float)
    titles = {
        "joint_error_cm": "Joint error, mean of 22 [cm]",
        "reprojection_px": "Reprojection error, mean of keypoints [px]",
        "lowest_vertex_cm": "Lowest vertex above the stage's floor [cm]",
        "foot_skate_mm": "Foot skate of feet near the floor [mm/frame]",
    }
    charts = []
    for key, title in titles.items():
        curves: dict[str, Curve] = {_named(s): (x, columns[s][key]) for s in reversed(stages) if key in columns[s]}
        if curves:
            charts.append(line_chart(curves, title=title, x_label="frame", size=(500, 220)))
    return charts


def _drift_charts(result: FitResult) -> list[Chart]:
    curves = drift_curves(result)
    if curves is None:
        return []
    x = np.arange(result.frames, dtype=float)
    named: dict[str, Curve] = {f"{QUANTITIES[key].label} [{QUANTITIES[key].unit}]": (x, y) for key, y in curves.items()}
    distances = {name: curve for name, curve in named.items() if "[cm]" in name}
    angles = {name: curve for name, curve in named.items() if "[cm]" not in name}
    return [
        line_chart(distances, title="Roll-out against stage 2 [cm]", x_label="frame", size=(500, 220)),
        line_chart(angles, title="Heading of the roll-out against stage 2 [°]", x_label="frame", size=(500, 220)),
    ]


def _floor_table(result: FitResult) -> Table | None:
    rows = floors(result)
    head = ["", "camera above it [m]", "from the observed floor [°]", "from the true floor [°]", "… height [cm]"]
    body = [
        [
            _named(r.stage),
            f"{r.offset_m:.3f}",
            _number(r.from_observed_deg),
            _number(r.from_true_deg),
            _number(r.offset_from_true_cm),
        ]
        for r in rows
    ]
    return Table(head, body) if rows else None


def _seams_table(result: FitResult) -> Table | None:
    head = [
        "first frame",
        "shared frames",
        "apart [cm]",
        "apart [°]",
        "a hard cut jumps by [cm]",
        "this motion by [cm]",
    ]
    body = []
    for seam in result.seams:
        jumps = [getattr(jump, part) if jump else None for jump, part in ((seam.apart, "cm"), (seam.apart, "deg"))]
        jumps += [jump.cm if jump else None for jump in (seam.before, seam.after)]
        body.append([str(seam.frame), str(seam.shared), *map(_number, jumps)])
    return Table(head, body) if body else None


def _checks_table(result: FitResult) -> Table | None:
    """What the checks of the data found. What is not as assumed comes first, in bold."""
    rows = sorted(result.info.get("checks", ()), key=lambda row: SEVERITIES.index(row["severity"]))
    cells = [[row["check"], row["severity"], Checked(**row).told] for row in rows]
    for line in cells:
        if line[1] not in ("fine", "note"):
            line[:] = [Markup("<b>{}</b>").format(cell) for cell in line]
    return Table(["check", "", "what was seen"], cells) if cells else None


def _run(info: Mapping[str, Any]) -> Run | None:
    if "settings" not in info:
        return None
    plain = {name: getattr(Settings(), name) for name in vars(Settings())}
    given = info["settings"]
    changed = [name for name, value in given.items() if str(_plain(value)) != str(_plain(plain.get(name)))]
    return Run(
        Table(["not as by default", ""], [[name, str(given[name])] for name in changed]),
        Table(["", ""], [[name, str(value)] for name, value in given.items() if name not in changed]),
        Table(["", ""], [[name, value] for name, value in info.get("versions", {}).items()]),
    )


def _means(figures: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Stage → metric → mean over the clips that have it."""
    found: dict[str, dict[str, float]] = {}
    for stage in NAMES:
        of_stage = [clip[stage] for clip in figures if stage in clip]
        for name in dict.fromkeys(key for clip in of_stage for key in clip):
            values = [v for clip in of_stage if not math.isnan(v := clip.get(name, math.nan))]
            found.setdefault(stage, {})[name] = sum(values) / len(values) if values else math.nan
    return found


def _plain(value: Any) -> Any:
    """Tuples as lists, so that settings from JSON compare equal to the defaults."""
    return list(value) if isinstance(value, (tuple, list)) else value


def _keys(rows: Sequence[LossRow]) -> set[str]:
    return {name for row in rows for name in row}


def _column(rows: Sequence[LossRow], name: str) -> np.ndarray:
    return np.array([float(row.get(name, math.nan)) for row in rows])


def _named(stage: str) -> str:
    return {"stage1": "stage 1", "stage2": "stage 2", "stage3_init": "roll-out", "stage3": "stage 3"}[stage]


def _number(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{float(value):.3g}" if abs(float(value)) < 1000 else f"{float(value):.0f}"
