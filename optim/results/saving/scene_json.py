"""Write camera, floor and world frame of a motion as JSON. The file names every frame of reference and unit.

The input frame is that of the camera (x right, y down, z forward) if there is one, otherwise the world of the input.
The world frame is that of the other exports before they turn y up: z up, floor at z = 0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optim.common.writing import write_text
from optim.problem.camera import Camera
from optim.results.saving.take import Take

_ABOUT = {
    "input_frame": "camera: x right, y down, z forward [m]; without a camera the world of the input, z up",
    "world": "z up, floor at z = 0 [m]; p_world = R_world_input p_input + t_world_input",
    "floor": "plane n·p = d in the input frame: normal n points up, d in metres",
    "camera": "pinhole [px]: u = fx x/z + cx, v = fy y/z + cy, of points in the input frame",
}


def write_scene_json(take: Take, folder: Path) -> list[Path]:
    """Write ``STEM_scene.json`` and return its path."""
    path = folder / f"{take.stem}_scene.json"
    write_text(path, json.dumps(scene(take), indent=1, ensure_ascii=False) + "\n")
    return [path]


def scene(take: Take) -> dict[str, Any]:
    """Content of the file."""
    fitted, observed = take.result.floor(take.stage), take.result.observed_floor
    return {
        "about": _ABOUT,
        "clip": take.result.name,
        "stage": take.stage,
        "frames": take.frames,
        "fps": take.fps,
        "R_world_input": take.R_world_input.tolist(),
        "t_world_input": take.t_world_input.tolist(),
        "floor": None if fitted is None else fitted.tolist(),
        "floor_observed": None if observed is None else observed.tolist(),
        "camera": None if take.result.camera is None else camera_numbers(take.result.camera),
        "betas": take.motion.betas[0].tolist(),
        "gender": take.result.gender,
    }


def camera_numbers(camera: Camera) -> dict[str, Any]:
    """Intrinsics [px] of the first camera of a batch."""
    (fx, fy), (cx, cy) = camera.focal[0].tolist(), camera.centre[0].tolist()
    size = None if camera.image_size is None else list(camera.image_size)
    return {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "image_size": size}
