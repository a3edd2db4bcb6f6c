"""The page: sections of one clip and of all of them, as HTML text without anything from outside the file."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optim.config.settings import Settings
from optim.diagnostics.quantities import QUANTITIES
from optim.evaluation.tables import NAMES
from optim.reporting.charts import Curve, line_chart
from optim.reporting.stills import stage_pictures
from optim.results.figures import drift_curves, floors, per_frame, stage_metrics
from optim.results.results import FitResult, LossRow
from optim.schedule.terms import TERMS

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1d2430;background:#fff;max-width:1060px;margin:2em auto;padding:0 1.2em}
h1{font-size:1.7em;margin:0}h2{font-size:1.35em;border-top:2px solid #d8dde5;padding-top:.8em;margin-top:2em}
h3{font-size:1.05em;margin:1.6em 0 .3em}p.about,p.none,figcaption{color:#5b6575}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15em .9em .15em 0;text-align:right}
td:first-child,th:first-child{text-align:left}th{border-bottom:1px solid #b9c1cd;font-weight:600}
tr:nth-child(even) td{background:#f5f7fa}img,svg{width:100%;height:auto}figure{margin:.6em 0}
svg text{font:11px system-ui,sans-serif;fill:#5b6575}svg text.title{font-size:12.5px;fill:#1d2430}
svg .grid{stroke:#e4e8ee}svg .mark{stroke:#b3bccb;stroke-dasharray:3 3}svg text.mark{stroke:none;fill:#8390a5}
.legend{margin:.1em 0 .6em 3.9em;font-size:.85em}.legend span{margin-right:1.1em;white-space:nowrap}
.legend i{display:inline-block;width:.9em;height:.25em;margin-right:.4em;vertical-align:middle}
.two{display:grid;grid-template-columns:1fr 1fr;gap:.4em 1.4em}nav a{margin-right:1em}.best{font-weight:700}
@media(max-width:760px){.two{grid-template-columns:1fr}}
"""
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
"""Figure → what the page calls it, and its unit."""
LARGER_IS_BETTER = ("contact_accuracy",)
NOT_COMPARED = ("acceleration", "acceleration_of_truth")
TERM_UNITS = {term.name: term.unit for term in TERMS}


def page(results: Sequence[FitResult], *, title: str, pictures: bool = True) -> str:
    """The whole document.

    Args:
        results: One, or all of a run: then means over the clips stand first.
        pictures: Draw the stages; of several clips only the last stage of each.
    """
    body = [f"<h1>{_text(title)}</h1>", _subtitle(results)]
    measured = [stage_metrics(result) for result in results]
    if len(results) > 1:
        links = " ".join(f'<a href="#clip{index}">{_text(result.name)}</a>' for index, result in enumerate(results))
        parts = [figures for result, figures in zip(results, measured, strict=True) if not result.seams]
        body += [
            f"<nav>{links}</nav>",
            f"<h2>Mean of {len(parts)} clips or parts</h2>",
            _metrics_section(_means(parts)),
        ]
    for index, (result, figures) in enumerate(zip(results, measured, strict=True)):
        stages = list(result.stages) if len(results) == 1 else [result.last_stage]
        body.append(f'<h2 id="clip{index}">{_text(result.name)}</h2>')
        body.append(_clip_section(result, figures, pictured=stages if pictures else []))
    body.append(_run_section(results[0].info))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{_text(title)}</title>'
    return (
        f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _clip_section(result: FitResult, figures: dict[str, dict[str, float]], *, pictured: Sequence[str]) -> str:
    parts = [f"<p>{_text(_facts(result))}</p>"]
    if pictured:
        parts.append(_pictures_section(result, pictured))
    parts.append("" if result.seams else _losses_section(result.losses))
    parts += [_metrics_section(figures), _frames_section(result)]
    parts += [_drift_section(result), _floor_section(result), _seams_section(result)]
    return "".join(parts)


def _subtitle(results: Sequence[FitResult]) -> str:
    whole = [result for result in results if result.seams] or results
    info = whole[0].info
    words = [f"{sum(result.frames for result in whole)} frames at {whole[0].fps:g} Hz"]
    words += [f"fitted in {float(info['seconds']) / 60:.1f} minutes"] if len(whole) == 1 and "seconds" in info else []
    words += [f"preset {info['settings']['preset']}"] if "settings" in info else []
    words += [] if info.get("done", True) else ["stopped before the end of the schedule"]
    return f'<p class="about">{_text(", ".join(words))}</p>'


def _facts(result: FitResult) -> str:
    seen = result.observations
    observed = [] if seen is None else [f"{name} ({_share(mask):.0%} seen)" for name, mask in seen.visible.items()]
    words = [f"{result.frames} frames", f"observed: {', '.join(observed)}" if observed else "observations not kept"]
    words.append("seen by a camera" if result.camera is not None else "in a world with z up")
    words.append("with ground truth" if result.truth is not None else "without ground truth")
    return "; ".join(words) + "."


def _share(mask: Any) -> float:
    return float(mask.float().mean())


def _pictures_section(result: FitResult, stages: Sequence[str]) -> str:
    found, problem = stage_pictures(result, stages)
    if not found:
        return f'<h3>Stages</h3><p class="none">No pictures: {_text(problem)}.</p>'
    about = "Frames from first to last, moved to stand in a row"
    about += "; violet: ground truth" if result.truth is not None else ""
    about += "; green: observed" if result.observations is not None and result.camera is None else ""
    figures = [
        f'<figure><img alt="{stage}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption>{_text(_named(stage))}</figcaption></figure>"
        for stage, png in found.items()
    ]
    return f'<h3>Stages</h3><p class="about">{_text(about)}.</p>{"".join(figures)}'


def _losses_section(rows: Sequence[LossRow]) -> str:
    if not rows:
        return '<h3>Losses</h3><p class="none">Not kept with these results.</p>'
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
    return f'<h3>Losses</h3>{chart}{_table(head, body)}<p class="about">Unweighted units: {_text(units)}.</p>'


def _metrics_section(figures: Mapping[str, Mapping[str, float]]) -> str:
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
            cells = [f"<b>{c}</b>" if v == best else c for c, v in zip(cells, values, strict=True)]
        rows.append([_text(f"{label} [{unit}]" if unit else label), *cells])
    return "<h3>Figures</h3>" + _table(["", *map(_named, stages)], rows, escaped=True)


def _frames_section(result: FitResult) -> str:
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
            charts.append(f"<div>{line_chart(curves, title=title, x_label='frame', size=(500, 220))}</div>")
    return f'<h3>Frame by frame</h3><div class="two">{"".join(charts)}</div>'


def _drift_section(result: FitResult) -> str:
    curves = drift_curves(result)
    if curves is None:
        return ""
    x = np.arange(result.frames, dtype=float)
    named: dict[str, Curve] = {f"{QUANTITIES[key].label} [{QUANTITIES[key].unit}]": (x, y) for key, y in curves.items()}
    distances = {name: curve for name, curve in named.items() if "[cm]" in name}
    angles = {name: curve for name, curve in named.items() if "[cm]" not in name}
    charts = [
        line_chart(distances, title="Roll-out against stage 2 [cm]", x_label="frame", size=(500, 220)),
        line_chart(angles, title="Heading of the roll-out against stage 2 [°]", x_label="frame", size=(500, 220)),
    ]
    about = (
        "How far the first roll-out, decoded from the latents inferred from stage 2, leaves the motion they came from."
    )
    cells = "".join(f"<div>{chart}</div>" for chart in charts)
    return f'<h3>Drift at the start of stage 3</h3><p class="about">{about}</p><div class="two">{cells}</div>'


def _floor_section(result: FitResult) -> str:
    rows = floors(result)
    if not rows:
        return ""
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
    return "<h3>Floor</h3>" + _table(head, body)


def _seams_section(result: FitResult) -> str:
    if not result.seams:
        return ""
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
    return "<h3>Seams</h3>" + _table(head, body)


def _run_section(info: Mapping[str, Any]) -> str:
    if "settings" not in info:
        return '<h2>Settings</h2><p class="none">Not kept with these results.</p>'
    plain = {name: getattr(Settings(), name) for name in vars(Settings())}
    given = info["settings"]
    changed = [name for name, value in given.items() if str(_plain(value)) != str(_plain(plain.get(name)))]
    rows = [[name, str(given[name])] for name in changed]
    others = [[name, str(value)] for name, value in given.items() if name not in changed]
    versions = [[name, value] for name, value in info.get("versions", {}).items()]
    return (
        f"<h2>Settings</h2>{_table(['not as by default', ''], rows)}"
        f"<details><summary>all others</summary>{_table(['', ''], others)}</details>"
        f"<h2>Versions</h2>{_table(['', ''], versions)}"
    )


def _means(figures: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Stage → figure → mean over the clips that have it."""
    found: dict[str, dict[str, float]] = {}
    for stage in NAMES:
        of_stage = [clip[stage] for clip in figures if stage in clip]
        for name in dict.fromkeys(key for clip in of_stage for key in clip):
            values = [v for clip in of_stage if not math.isnan(v := clip.get(name, math.nan))]
            found.setdefault(stage, {})[name] = sum(values) / len(values) if values else math.nan
    return found


def _plain(value: Any) -> Any:
    """Sequences alike, whatever their type."""
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


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, escaped: bool = False) -> str:
    keep = str if escaped else _text
    cells = "".join(f"<tr>{''.join(f'<td>{keep(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{_text(cell)}</th>' for cell in head)}</tr>{cells}</table>"


def _text(text: str) -> str:
    return html.escape(text)
