"""The schedule: what moves when, under which weights."""

from dataclasses import replace

import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.schedule.data_types import DATA_TYPES, data_type_of
from optim.schedule.phase_edits import with_weight
from optim.schedule.phases import INITIAL_STATE, NODES
from optim.schedule.presets import PRESETS
from optim.schedule.stage3_variants import DEFECT, VARIANTS, steps_of
from optim.schedule.stages import PUBLIC_STEPS, schedule
from optim.schedule.terms import TERMS
from optim.schedule.weights import PUBLIC_WEIGHTS, WEIGHT_FLAGS, WEIGHT_NAMES, default_weights, split_weights


def test_default_is_the_published_schedule():
    phases = schedule("reference", "rgb")
    assert [(p.name, p.steps) for p in phases] == [
        ("stage 1", 30), ("stage 2", 80), ("stage 3 tune", 30), ("stage 3 freeze", 25), ("stage 3 refine", 15),
    ]  # fmt: skip
    tune, freeze, refine = phases[2:]
    assert tune.frames == 15 and freeze.frames is None and refine.frames is None
    assert not set(freeze.variables) & set(INITIAL_STATE)
    assert {"latent_motion", "betas", "floor_plane"} == set(freeze.variables)
    assert tune.weight("rgb_overlap_consist") == 0 < freeze.weight("rgb_overlap_consist")
    assert freeze.weight("contact_vel") == 0 < refine.weight("contact_vel")
    assert tune.init_motion_frames is None and freeze.init_motion_frames == refine.init_motion_frames == 15


def test_both_readings_of_contact_refine():
    assert schedule("reference", "3d")[2].weight("contact_height") == 1.0
    assert schedule("humorscope", "3d")[2].weight("contact_height") == 0.0
    assert schedule("humorscope", "3d", contact_refine_only=False)[3].weight("contact_height") == 1.0


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_planted_joints_replace_the_public_contact_terms(data_type):
    names = "contact_vel", "contact_height", "planted_vel", "planted_height", "floor_penetration"
    in_use = {
        preset: [schedule(preset, data_type)[-1].weight(name) > 0 for name in names]
        for preset in ("humorscope-planted", "reference")
    }
    assert in_use == {
        "humorscope-planted": [False, False, True, True, True],
        "reference": [True, True, False, False, False],
    }
    assert not any(schedule("humorscope-planted", data_type)[2].weight(name) for name in names), "they join at the end"


def test_every_weight_in_the_tables_is_known():
    assert {name for table in PUBLIC_WEIGHTS.values() for name in table} <= set(WEIGHT_NAMES)
    assert {p.name for p in PRESETS.values()} == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_selected_by_name(name):
    phases = parse(["--preset", name]).schedule()
    assert {phase.preset for phase in phases} == {PRESETS[name]}


@pytest.mark.parametrize(
    ("name", "rule", "value"),
    [
        ("fast-public-terms", "contacts", "public"),
        ("humorscope-planted", "contacts", "planted"),
        ("fast-hidden-left", "hidden_joints", "left"),
        ("fast-trusted-prior", "unknown_motion", "ignored"),
        ("fast-following-frame", "prior_frame", "following"),
        ("humorscope-6d", "rotation", "6d"),
        ("humorscope-public-contacts", "contact_refine", "public"),
        ("humorscope-measured-units", "preconditioner", "measured"),
        ("reference-6d", "rotation", "6d"),
        ("reference-strict-contacts", "contact_refine", "strict"),
        ("reference-velocity-fault", "velocities", "camera"),
    ],
)
def test_variants_exchange_one_rule(name, rule, value):
    base = PRESETS[name.split("-")[0]]
    assert getattr(base, rule) != value
    assert replace(base, name=name, **{rule: value}) == PRESETS[name]


def test_short_stage_3_keeps_its_proportions():
    assert [p.steps for p in schedule(num_iters=(3, 4, 14))] == [3, 4, 6, 5, 3]
    assert [p.steps for p in schedule("reference", num_iters=(3, 4, 40))] == [3, 4, 30, 10]
    assert [p.steps for p in schedule(num_iters=(3, 0, 5), tune_init=False)] == [3, 5]


@pytest.mark.parametrize("name", [name for name, rules in PRESETS.items() if rules.stage_3 in VARIANTS])
def test_fast_ways_end_in_the_single_roll_out_however_few_steps_there_are(name):
    whole, variant = [p for p in schedule(name) if p.stage == 3], VARIANTS[PRESETS[name].stage_3]
    assert [p.segment for p in whole] == [shot.segment for shot in variant]
    assert sum(p.steps for p in whole) == steps_of(variant) < PUBLIC_STEPS["3d"][2]
    slow = name.replace("fast", "humorscope")
    same = PRESETS[slow if slow != name and slow in PRESETS else "humorscope"]
    exact = schedule(replace(same, contacts=PRESETS[name].contacts))[-1]
    assert whole[-1].weights == exact.weights and whole[-1].init_motion_frames == exact.init_motion_frames
    for steps in range(1, 80):
        phases = schedule(name, num_iters=(0, 0, steps))
        assert sum(p.steps for p in phases) == steps
        assert phases[-1].segment is None and NODES not in phases[-1].variables
        gaps = [p.weight(DEFECT) for p in phases if p.segment]
        assert gaps == sorted(gaps) and all((NODES in p.variables) == (p.segment is not None) for p in phases)


def test_the_weight_of_the_gap_stays_in_proportion():
    given = schedule("shooting", "rgb", weights={DEFECT: (0.0, 0.0, 7.0)})
    assert [p.weight(DEFECT) for p in given] == [0, 0, 7, 21, 0, 0]
    phases = schedule("shooting", weights={DEFECT: (0.0, 0.0, 10.0)})
    assert [p.weight(DEFECT) for p in with_weight(phases, DEFECT, 50, stage=3)] == [0, 0, 50, 150, 0, 0]
    assert [p.weight(DEFECT) for p in with_weight(phases, DEFECT, 60, stage=3, current=3)] == pytest.approx(
        [0, 0, 20, 60, 0, 0]
    )


def test_weight_edits_make_a_new_schedule():
    phases = schedule("reference", "3d")
    edited = with_weight(phases, "contact_vel", 5, stage=3)
    assert [p.weight("contact_vel") for p in edited] == [0, 0, 5, 0, 5], "silenced while x_0 is frozen"
    assert [p.weight("contact_vel") for p in phases] == [0, 0, 1, 0, 1]
    here = with_weight(phases, "contact_vel", 5, stage=3, current=3)
    assert [p.weight("contact_vel") for p in here] == [0, 0, 5, 5, 5]
    assert [p.weight("verts3d") for p in with_weight(phases, "verts3d", 2, stage=3)] == [0, 0, 2, 2, 2]
    with pytest.raises(InputError, match="1, 2, 3"):
        with_weight(phases, "verts3d", 2, stage=4)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"preset": "nope"}, "reference"),
        ({"data_type": "4d"}, "rgbd"),
        ({"num_iters": (1, 2)}, "three"),
        ({"num_iters": (1, 2, -1)}, "three"),
        ({"weights": {"joint3d": (1, 1, 1)}}, "joints3d"),
        ({"weights": {"joints3d": (1, 1)}}, "three"),
        ({"weights": {"joints3d": (1, -1, 1)}}, "at least 0"),
        ({"weights": {"joints3d": (1, float("nan"), 1)}}, "finite"),
        ({"freeze_start": 10, "freeze_end": 80}, "70"),
        ({"num_iters": (1, 1, 20), "freeze_start": 5, "freeze_end": 21}, "<= 20"),
        ({"freeze_start": 30, "freeze_end": 20}, "start <= end"),
        ({"tune_frames": 1}, "2 frames"),
        ({"lbfgs_max_iter": 0}, "lbfgs_max_iter"),
        ({"solvers": ("lbfgs", "newton", "lbfgs")}, "there are lbfgs"),
        ({"solvers": ("lbfgs", "lbfgs")}, "three"),
    ],
)
def test_bad_options_say_what_to_do(options, part):
    with pytest.raises(InputError, match=part):
        schedule(**options)


def test_our_presets_weigh_the_prior_less_and_the_public_ones_do_not():
    weights = {name: schedule(name, "3d")[-1].weights for name in ("humorscope", "reference")}
    assert weights["reference"]["motion_prior"] == 1e-3
    assert weights["humorscope"]["motion_prior"] == 3e-4
    images = {name: schedule(name, "rgb")[-1].weights["motion_prior"] for name in ("humorscope", "reference")}
    assert images == {"humorscope": 0.0225, "reference": 0.075}
    given = schedule("humorscope", "3d", weights={"motion_prior": (0.0, 0.0, 0.5)})
    assert given[-1].weights["motion_prior"] == 0.5


def test_a_split_without_images_gives_the_overlap_a_weight():
    assert "rgb_overlap_consist" not in split_weights("rgb"), "the public weights have it"
    for data_type in ("3d", "verts3d", "points3d"):
        assert split_weights(data_type) == {"rgb_overlap_consist": (1.0, 1.0, 1.0)}


def test_weights_of_multiple_shooting_are_there_only_with_nodes():
    for data_type in DATA_TYPES:
        plain = default_weights(data_type, own=True, nodes=False)
        assert set(default_weights(data_type, own=True, nodes=True)) - set(plain) == {DEFECT}
        assert all(DEFECT not in phase.weights for phase in schedule("humorscope", data_type))


def test_every_flag_belongs_to_one_weight():
    assert len(WEIGHT_FLAGS) == len(WEIGHT_NAMES) and set(WEIGHT_FLAGS.values()) == set(WEIGHT_NAMES)
    assert WEIGHT_FLAGS["--joint3d-weight"] == "joints3d", "HuMoR's spelling"
    assert all(term.help and not term.help.endswith(".") for term in TERMS)


@pytest.mark.parametrize(
    ("observed", "camera", "data_type"),
    [
        ({"joints3d"}, False, "3d"),
        ({"joints3d", "verts3d"}, False, "3d"),
        ({"verts3d"}, False, "verts3d"),
        ({"points3d", "joints3d"}, False, "points3d"),
        ({"points3d", "joints2d"}, True, "rgbd"),
        ({"joints2d", "joints3d"}, True, "rgb"),
    ],
)
def test_the_data_type_follows_from_what_is_observed(observed, camera, data_type):
    assert data_type_of(observed, camera=camera) == data_type


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_the_solver_that_places_the_body_depends_on_the_camera(data_type):
    solvers = {phase.stage: phase.solver for phase in schedule("fast", data_type)}
    first = "lbfgs" if data_type in ("rgb", "rgbd") else "levenberg-marquardt"
    assert solvers == {1: first, 2: "levenberg-marquardt", 3: "lbfgs-gn"}
    assert {phase.solver for phase in schedule("humorscope", data_type)} == {"lbfgs"}
