"""Draw random adults from MakeHuman's sliders, choose a population among them, and compute its principal shapes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import gaussian_kde, norm

from assets.build.body.mesh import vertex_areas, volumes
from assets.build.body.source import LOCAL_CHANGES, RACES, SLIDERS, HumanSource

CANDIDATES, POPULATION = 9000, 2500
DENSITY = 985.0  # [kg/m³]
POPULATION_FILE = Path(__file__).with_name("population.txt")


@dataclass(frozen=True)
class Sliders:
    """Slider settings of N bodies."""

    macro: dict[str, np.ndarray]  # slider → (N,); "race" → (N, 3) shares
    local: np.ndarray  # (N, L) in [-1, 1]

    def __len__(self) -> int:
        return len(self.local)

    def __getitem__(self, index: slice | np.ndarray) -> "Sliders":
        return Sliders({name: values[index] for name, values in self.macro.items()}, self.local[index])


def random_sliders(rng: np.random.Generator, count: int) -> Sliders:
    """Draw random adults, mostly near one of the two genders, and more young than old ones."""
    male = rng.random(count) < 0.5
    macro = {
        "gender": np.where(male, rng.beta(1, 9, count), 1 - rng.beta(1, 9, count)),
        "age": 2 / 3 + rng.beta(1.2, 3.0, count) / 3,
        "muscle": rng.beta(3, 3, count),
        "weight": rng.uniform(0.1, 1, count),
        "height": np.where(male, rng.normal(0.36, 0.085, count), rng.normal(0.33, 0.085, count)).clip(0.08, 0.62),
        "proportions": rng.beta(2, 2, count),
        "cupsize": rng.uniform(0.15, 0.6, count),
        "firmness": rng.uniform(0.4, 0.8, count),
        "race": rng.dirichlet([1, 1, 1], count),
    }
    return Sliders(macro, rng.normal(0, 0.25, (count, len(LOCAL_CHANGES))).clip(-0.7, 0.7))


def slider_shares(macro: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Share (N,) of each slider end. It is linear between neighbouring ends, as in MakeHuman."""
    shares = {}
    for slider, ends in SLIDERS.items():
        stops = np.linspace(2 / 3 if slider == "age" else 0.0, 1.0, len(ends))  # ages below 2/3 are children
        value = np.clip(macro[slider], stops[0], stops[-1])
        upper = np.clip(np.searchsorted(stops, value), 1, len(stops) - 1)
        towards = (value - stops[upper - 1]) / (stops[upper] - stops[upper - 1])
        for k, end in enumerate(ends):
            shares[end] = np.where(upper - 1 == k, 1 - towards, 0) + np.where(upper == k, towards, 0)
    for k, race in enumerate(RACES):
        shares[race] = macro["race"][:, k] / macro["race"].sum(1)
    return shares


def rest_vertices(source: HumanSource, sliders: Sliders, vertex_ids: np.ndarray) -> np.ndarray:
    """Positions (N, len(vertex_ids), 3) [m] in MakeHuman's own rest pose."""
    shares = slider_shares(sliders.macro)
    macro = np.stack([np.prod([shares[end] for end in key], axis=0) for key in source.macro_keys], 1)
    more, less = np.maximum(sliders.local, 0), np.maximum(-sliders.local, 0)
    factors = np.concatenate([macro.astype(np.float32), more, less], 1).astype(np.float32)
    local = source.local_offsets[:, :, vertex_ids]
    offsets = np.concatenate([source.macro_offsets[:, vertex_ids], local[:, 0], local[:, 1]])
    moved = (factors @ offsets.reshape(len(offsets), -1)).reshape(len(sliders), len(vertex_ids), 3)
    return moved + source.vertices[vertex_ids].astype(np.float32)


def recorded_population() -> np.ndarray:
    """Indices (POPULATION,) of the candidates from which the shipped body was made, in the order of the draw."""
    return np.loadtxt(POPULATION_FILE, dtype=int).ravel()


def draw_population(
    source: HumanSource,
    candidates: Sliders,
    vertex_ids: np.ndarray,
    triangles: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Choose candidates so that height and body-mass index follow an adult population.

    The draw depends on the last bits of the candidates' heights, which differ between processors: another BLAS changes
    a fifth of the choice. Therefore the choice for the shipped body is recorded.
    """
    height, volume = np.zeros(len(candidates)), np.zeros(len(candidates))
    for start in range(0, len(candidates), 200):
        part = slice(start, start + 200)
        vertices = rest_vertices(source, candidates[part], vertex_ids)
        height[part], volume[part] = np.ptp(vertices[..., 1], axis=1), volumes(vertices, triangles)
    bmi = volume * DENSITY / height**2
    male = candidates.macro["gender"] < 0.5
    weight = np.zeros(len(candidates))
    for sex, mean, deviation in ((male, 1.755, 0.070), (~male, 1.625, 0.065)):
        h, log_bmi = points = np.stack([height[sex], np.log(bmi[sex])])
        wanted = norm.pdf(h, mean, deviation) * norm.pdf(log_bmi, np.log(24.7), 0.155)
        wanted *= (h > 1.45) & (h < 2.0) & (log_bmi > np.log(17)) & (log_bmi < np.log(38))
        ratio = wanted / gaussian_kde(points)(points)
        weight[sex] = ratio / ratio.sum()
    weight = np.minimum(weight, np.quantile(weight[weight > 0], 0.995))
    return rng.choice(len(candidates), POPULATION, replace=False, p=weight / weight.sum())


@dataclass(frozen=True)
class ShapeSpace:
    """Linear space of body shapes: the mean, and a direction for each beta."""

    mean: np.ndarray  # (V, 3) [m]
    mean_joints: np.ndarray  # (J, 3) [m]
    directions: np.ndarray  # (V, 3, n) [m]
    joint_directions: np.ndarray  # (J, 3, n) [m]
    explained: np.ndarray  # (n,) share of the bodies' variance in each direction


def principal_shapes(vertices: np.ndarray, joints: np.ndarray, triangles: np.ndarray, *, count: int) -> ShapeSpace:
    """Principal components of bodies (N, V, 3), weighted by area and scaled so that betas have variance 1.

    The joints (N, J, 3) follow the same scores. A positive first beta makes the body taller; all other positive betas
    make it bigger.
    """
    bodies = len(vertices)
    mean, mean_joints = vertices.mean(0), joints.mean(0)
    root_area = _root_areas(mean, triangles)
    centred = ((vertices - mean) * root_area).reshape(bodies, -1)
    variances, axes = np.linalg.eigh(centred @ centred.T)
    order = np.argsort(-variances)
    scores = axes[:, order[:count]] * np.sqrt(bodies)
    directions = np.tensordot(vertices - mean, scores, (0, 0)) / bodies
    joint_directions = np.tensordot(joints - mean_joints, scores, (0, 0)) / bodies
    for k in range(count):
        more, less = mean + directions[..., k], mean - directions[..., k]
        taller = np.ptp(more[:, 1]) - np.ptp(less[:, 1])
        bigger = volumes(more[None], triangles)[0] - volumes(less[None], triangles)[0]
        if (taller if k == 0 else bigger) < 0:
            directions[..., k] *= -1
            joint_directions[..., k] *= -1
    return ShapeSpace(mean, mean_joints, directions, joint_directions, variances[order[:count]] / variances.sum())


def _root_areas(mean: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Square roots (V, 1) of the vertices' relative areas, which weight the principal components."""
    areas = vertex_areas(mean, triangles)
    return np.sqrt(areas / areas.mean())[:, None]


def reconstruction_errors(space: ShapeSpace, vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Distances (N, V) [m] between bodies (N, V, 3) and their best fit, weighted by area, in the shape space."""
    root_area = _root_areas(space.mean, triangles)
    basis = (space.directions * root_area[..., None]).reshape(-1, space.directions.shape[-1])
    offsets = ((vertices - space.mean) * root_area).reshape(len(vertices), -1)
    betas = np.linalg.lstsq(basis, offsets.T, rcond=None)[0].T
    fitted = np.tensordot(betas, space.directions, (1, 2))
    return np.linalg.norm(vertices - space.mean - fitted, axis=-1)
