"""Read the command line into ``Settings`` and check the options against each other. Opens only ``@file.cfg`` files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optim.common.errors import InputError
from optim.config.declaring import check_values
from optim.config.flags import WITHOUT_EFFECT, dest, read_flags
from optim.config.formats import formats_of
from optim.config.options import OF_ONE_RUN, OPTIONS, HumorFlags, Settings, chosen_for_the_fit, flag_of
from optim.config.sources import kind_of, sources
from optim.schedule.data_types import asked_data_type
from optim.schedule.presets import PRESETS, usual_preset
from optim.schedule.weights import WEIGHT_FLAGS

__all__ = ["Settings", "parse", "settings_from", "words_of_fit"]


def parse(arguments: Sequence[str]) -> Settings:
    """Read the command line. ``@file.cfg`` among the arguments stands for the words in that file.

    Raises:
        InputError: A flag is unknown (the message names the nearest known one), a value is wrong, or flags contradict
            each other.
    """
    given = read_flags(arguments)
    if misplaced := [name for name in ("verbose", "log_file", "version") if name in given]:
        raise InputError(f"{flag_of(misplaced[0])}: it is a flag of the program; give it on the command line itself")
    weights = {term: tuple(given.pop(dest(flag))) for flag, term in WEIGHT_FLAGS.items() if dest(flag) in given}
    idle = [flag for flag in WITHOUT_EFFECT if given.pop(dest(flag), None) is not None]
    given["kind"] = kind_of(given.get("data_path"), given.get("kind"))
    _choose_observations(given)
    _choose_stretch(given)
    _choose_preset(given)
    for name in ("num_iters", "amass_custom_split", "bundle"):
        if name in given:
            given[name] = tuple(given[name])
    if "export" in given:
        given["export"] = formats_of(given["export"])
    notices = tuple(f"{flag} has no effect here: {WITHOUT_EFFECT[flag][1]}" for flag in idle)
    if "data_fps" in given and sources()[given["kind"]].knows_rate:
        notices += ("--data-fps has no effect here: the frame rate is read from the file",)
    if "rgb_seq_len" not in given:
        idle = [name for name in ("rgb_overlap_len", "batch_size") if name in given]
        notices += tuple(f"{flag_of(name)} has no effect here: only --rgb-seq-len splits a clip" for name in idle)
    if not {"gltf", "bvh"} & set(given.get("export", ())):
        idle = [name for name in ("export_bones", "export_scale") if name in given]
        notices += tuple(f"{flag_of(name)} has no effect here: it goes with --export gltf or bvh" for name in idle)
    settings = Settings(**given, weights=weights, notices=notices)
    _check(settings, given)
    return settings


def settings_from(options: Mapping[str, Any]) -> Settings:
    """Settings from flags as keywords, as a script writes them: ``{"num_iters": (3, 5, 3)}`` for ``--num-iters 3 5 3``.

    True gives a flag without a value; False and None leave a flag out.

    Raises:
        InputError: As ``parse``, and for a flag that concerns the program's run and not the fit.
    """
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        flag = flag_of(name)
        if name in OF_ONE_RUN:
            raise InputError(f"{flag}: a session from a script has no use for it; it is a flag of the command line")
        words += _words(flag, value)
    return parse(words)


def words_of_fit(settings: Settings) -> list[str]:
    """Words of a command line that sets the same fit; flags of one run, such as ``--record``, are left out."""
    words: list[str] = []
    for name, value in chosen_for_the_fit(settings).items():
        if name in OPTIONS:
            words += _words(flag_of(name), value)
    for flag, term in WEIGHT_FLAGS.items():
        if term in settings.weights:
            words += [flag, *map(repr, settings.weights[term])]
    return words


def _words(flag: str, value: Any) -> list[str]:
    """A flag that is given and its value as words of a command line. A flag for yes or no has no value."""
    if isinstance(value, (list, tuple)):
        return [flag, *map(str, value)]
    return [flag] if isinstance(value, bool) else [f"{flag}={value}"]


def _choose_observations(given: dict[str, Any]) -> None:
    """Fill in which observations are fitted and whether they are in a camera's frame.

    They come from ``--observations``, from HuMoR's flags for it, or from the data.
    """
    asked = [name for name in ("joints", "verts", "points") if given.pop(f"amass_use_{name}", False)]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(f'--amass-use-{name}' for name in asked)}: choose one of them")
    if asked and given.setdefault("observations", f"{asked[0]}3d") != f"{asked[0]}3d":
        raise InputError(f"--amass-use-{asked[0]} and --observations {given['observations']}: choose one of them")
    kind, path = given["kind"], given.get("data_path")
    source = sources()[kind]
    observed = given.setdefault("observations", source.default_observed(path))
    if observed not in source.observed:
        offered = ", ".join(source.observed)
        raise InputError(f"--observations {observed}: of {path or 'a demo clip'} ({kind}) it can be {offered}")
    given["through_camera"] = source.through_camera(path, observed)


def _choose_preset(given: dict[str, Any]) -> None:
    """Fill in the preset where none is named: flags of the parts of stage 3 need one that has these parts."""
    of_parts = any(name.startswith("stage3_") for name in given)
    data_type = asked_data_type(given["observations"], camera=given["through_camera"])
    given.setdefault("preset", "humorscope" if of_parts else usual_preset(data_type))


def _choose_stretch(given: dict[str, Any]) -> None:
    """Replace PROX's flags for the recording and its sub-sequence by those that every clip has."""
    names = ("prox_recording", "prox_recording_subseq_idx", "prox_seq_len")
    recording, index, length = (given.pop(name, None) for name in names)
    if not sources()[given["kind"]].in_stretches:
        if recording is not None or index is not None:
            raise InputError(f"--prox-recording: it goes with --data-type PROX-RGBD, but this is {given['kind']}")
        return
    if recording is not None:
        given.setdefault("clip", recording)
    if "rgb_seq_len" not in given:
        given.setdefault("amass_seq_len", length or HumorFlags.prox_seq_len)
        given.setdefault("amass_start_frame", max(index or 0, 0) * given["amass_seq_len"])


def _check(settings: Settings, given: Mapping[str, Any]) -> None:
    _check_run_files(settings, given)
    if settings.data_path is not None and "data" in given:
        raise InputError("--data and --data-path: choose one of them")
    of_motion = [name for name in given if name in OPTIONS and OPTIONS[name].of_motion]
    if of_motion and settings.observations not in sources()[settings.kind].made:
        raise InputError(
            f"{flag_of(of_motion[0])}: the observations were stored with this data; it goes with --data-path FILE.npz,"
            " a motion, or with --observations verts3d or points3d of a demo clip"
        )
    for name in given:
        kinds = [source.name for source in sources().values() if name in source.options]
        if kinds and settings.kind not in kinds:
            raise InputError(f"{flag_of(name)}: it goes with --data-type {' or '.join(kinds)}")
    described = [name for name in sources()[settings.kind].of_keypoints if name in given]
    if described and settings.op_keypts is None:
        raise InputError(
            f"{flag_of(described[0])}: it describes keypoints of your own; give them with --op-keypts, or leave it out"
        )
    check_values(settings)
    if len(chosen := [name for name in ("rgb_intrinsics", "focal", "fov") if name in given]) > 1:
        raise InputError(f"{' and '.join(map(flag_of, chosen))}: choose one of them")
    if settings.amass_start_frame < 0 or not (settings.amass_seq_len is None or settings.amass_seq_len >= 2):
        raise InputError("--amass-seq-len must be at least 2 and --amass-start-frame at least 0")
    _check_split(settings)
    settings.schedule()


def _check_run_files(settings: Settings, given: Mapping[str, Any]) -> None:
    chosen = [name for name in ("open", "resume", "record", "no_record", "bundle") if name in given]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(map(flag_of, chosen))}: choose one of them")
    if settings.compare is not None and settings.headless:
        raise InputError("--compare is for the window; without one, python -m optim.report A B compares two runs")
    if settings.open is not None and settings.headless and settings.no_video:
        raise InputError("--no-video: --headless --open writes nothing but a video; leave out one of them")
    if settings.rgb_seq_len is not None and settings.headless and chosen:
        raise InputError(f"{flag_of(chosen[0])}: a clip that is split is not recorded without a window")


def _check_split(settings: Settings) -> None:
    length, overlap = settings.rgb_seq_len, settings.rgb_overlap_len
    if length is None:
        return
    if length < 2:
        raise InputError(f"--rgb-seq-len {length}: at least 2 frames")
    if not 0 <= overlap < length:
        raise InputError(f"--rgb-overlap-len {overlap}: at least 0 and less than --rgb-seq-len, {length}")
    if settings.batch_size < 1:
        raise InputError(f"--batch-size {settings.batch_size}: at least 1")
    if PRESETS[settings.preset].prior_frame == "input" and not settings.through_camera:
        raise InputError(f"--preset {settings.preset} splits only what a camera sees; use --observations joints2d")
