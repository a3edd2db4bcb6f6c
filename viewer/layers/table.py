"""The list of layers, in the order in which they are drawn; switches and defaults are in ``viewer.ui.ui_state``."""

from __future__ import annotations

from viewer.layers.axes import AxesLayer
from viewer.layers.backdrop import BackdropLayer
from viewer.layers.body import BodyLayer, GhostsLayer, GroundTruthLayer, RolloutBodyLayer
from viewer.layers.camera import CameraLayer
from viewer.layers.compared import BeforeLayer, ComparedLayer, PredictedLayer
from viewer.layers.floor import FloorLayer, FloorsLayer
from viewer.layers.floor_handle import FloorHandleLayer
from viewer.layers.footage import FilmLayer
from viewer.layers.observations import ObservationsLayer
from viewer.layers.prior import FuturesLayer, OneStepLayer
from viewer.layers.pull import PullLayer
from viewer.layers.rollout import NodesLayer, RolloutLayer, RolloutNowLayer
from viewer.layers.skeleton import ContactsLayer, RegressedLayer, SkeletonLayer
from viewer.layers.sub_sequences import OverlapsLayer, StitchedLayer
from viewer.scene.layer import Layer

LAYER_TYPES: tuple[type[Layer], ...] = (
    BackdropLayer,
    FilmLayer,
    FloorLayer,
    FloorsLayer,
    FloorHandleLayer,
    AxesLayer,
    CameraLayer,
    BodyLayer,
    GhostsLayer,
    SkeletonLayer,
    RegressedLayer,
    ContactsLayer,
    ObservationsLayer,
    RolloutLayer,
    RolloutNowLayer,
    RolloutBodyLayer,
    NodesLayer,
    OneStepLayer,
    FuturesLayer,
    OverlapsLayer,
    StitchedLayer,
    PullLayer,
    GroundTruthLayer,
    ComparedLayer,
    BeforeLayer,
    PredictedLayer,
)
