"""The distortion of a lens in OpenCV's model: its coefficients in a file, and the rays of pixels without it.

Coefficients are k1, k2, p1, p2, k3, …: 4, 5, 8, 12 or 14 of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.reading.arrays import require_range
from optim.reading.json_file import json_numbers

NAMES = (
    "k", "dist_coeffs", "dist_coefs", "distCoeffs", "distCoeff", "dist_coeff", "distortion_coefficients", "distortion",
    "dist", "D", "coeffs", "distortion_params",
)  # fmt: skip
"""Names under which a camera file may hold the coefficients: PROX's, OpenCV's, RealSense's and other usual ones."""
SINGLE = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
"""Names of coefficients that a file may give one by one."""
COUNTS = (4, 5, 8, 12, 14)
MODELS = ("distortion_model", "camera_model", "model", "lens_model")
"""Names under which a camera file may name the model of its lens."""
OTHER_MODELS = ("fisheye", "equidistant", "kannala", "omni", "division", "equirect", "spherical", "ftheta", "inverse")
"""Parts of the names of lens models that are not OpenCV's usual one."""
_STEPS, _CLOSE = 200, 1e-6


def distortion(content: Any, path: Path) -> np.ndarray | None:
    """Coefficients of the lens in the content of a camera file; None if there are none but zeros.

    Raises:
        InputError: They are not 4, 5, 8, 12 or 14 finite numbers, or the lens has another model, such as a fisheye's.
    """
    if not isinstance(content, dict):
        return None
    name = next((one for one in NAMES if content.get(one) is not None), None)
    if name is not None:
        value = content[name]
        numbers = json_numbers(value.get("data") if isinstance(value, dict) else value)  # ROS wraps its matrices
    elif any(one in content for one in SINGLE):
        name, numbers = "k1, k2, p1, p2", json_numbers([content.get(one, 0.0) for one in SINGLE])
    else:
        return None
    if numbers is not None and not numbers.any():
        return None
    _require_usual_model(content, path)
    if numbers is None or numbers.size not in COUNTS or not np.isfinite(numbers).all():
        raise InputError(f"{path}: {name}: 4, 5, 8, 12 or 14 numbers k1, k2, p1, p2, k3, … are expected")
    require_range(numbers, name=name, path=path, low=-1e3, high=1e3, what="coefficients of a lens")
    return numbers.ravel()


def _require_usual_model(content: dict[str, Any], path: Path) -> None:
    named = next((str(content[name]) for name in MODELS if isinstance(content.get(name), str)), "")
    if any(part in named.lower().replace("-", "").replace("_", "") for part in OTHER_MODELS):
        raise InputError(
            f"{path}: a lens of the model {named}; only OpenCV's k1, k2, p1, p2, k3, … are used: undistort the video"
            " with your calibration tool and give the matrix of the new images"
        )


def undistorted(pixels: np.ndarray, matrix: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Rays x / z and y / z (N, 2) of pixels (N, 2) in the image of a lens."""
    if not len(pixels):
        return np.zeros((0, 2))
    import cv2  # needs libGL, which a fit without pictures must do without

    places = np.asarray(pixels, np.float64)[:, None]
    until = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, _STEPS, _CLOSE)
    return cv2.undistortPoints(places, matrix, coefficients, R=None, P=None, criteria=until)[:, 0]
