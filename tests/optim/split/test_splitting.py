"""Splits cover every frame, keep what they promise, and cut a problem into exactly its parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.problem.observations import PreviousBatch
from optim.split.splitting import in_batches, split_frames, sub_problem
from tests import fakes

MANY = [(n, length, overlap) for n in range(2, 140, 7) for length in (2, 7, 30, 60) for overlap in (0, 1, 6, 25)]
MANY = [(n, length, overlap) for n, length, overlap in MANY if overlap < length]


@pytest.mark.parametrize("rule", ["even", "public"])
def test_every_split_covers_all_frames_with_equal_lengths(rule):
    for frames, length, overlap in MANY:
        split = split_frames(frames, length=length, overlap=overlap, rule=rule)
        starts = [start for start, _ in split.intervals]
        assert starts[0] == 0 and split.intervals[-1][1] == frames
        assert all(end - start == split.length <= length for start, end in split.intervals)
        assert starts == sorted(set(starts)) and split.length >= 2
        assert all(shared >= overlap for shared in split.overlaps)
        assert (len(split) == 1) == (frames <= length)


def test_ours_gives_the_overlap_that_was_asked_for_and_at_most_one_more():
    for frames, length, overlap in MANY:
        split = split_frames(frames, length=length, overlap=overlap)
        assert all(shared - overlap in (0, 1) for shared in split.overlaps)
        public = split_frames(frames, length=length, overlap=overlap, rule="public")
        assert len(split) == len(public)
        if len(public) > 1:
            assert public.length == length
            assert max(public.overlaps) - min(public.overlaps) <= 1


@pytest.mark.parametrize(
    ("frames", "length", "overlap", "intervals"),
    [
        (90, 60, 10, [(0, 60), (30, 90)]),
        (113, 60, 10, [(0, 60), (26, 86), (53, 113)]),
        (160, 60, 10, [(0, 60), (50, 110), (100, 160)]),
        (200, 60, 10, [(0, 60), (46, 106), (93, 153), (140, 200)]),
        (60, 60, 10, [(0, 60)]),
        (20, 60, 10, [(0, 20)]),
    ],
)
def test_public_rule_by_hand(frames, length, overlap, intervals):
    assert list(split_frames(frames, length=length, overlap=overlap, rule="public").intervals) == intervals


def test_a_split_tells_asked_and_actual():
    split = split_frames(113, length=60, overlap=10)
    assert list(split.intervals) == [(0, 45), (34, 79), (68, 113)]
    assert (split.length, split.overlaps) == (45, (11, 11))
    assert str(split) == (
        "113 frames as 3 sub-sequences of 45, overlapping by 11 (asked for: at most 60 frames, overlapping by 10)"
    )
    assert str(split_frames(50, length=60, overlap=10)).startswith("50 frames in one sub-sequence")
    assert "overlapping by 10 to 11" in str(split_frames(111, length=60, overlap=10))


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("frames", {"frames": 1}),
        ("frames", {"frames": 30.5}),
        ("length", {"length": 1}),
        ("length", {"length": None}),
        ("overlap", {"overlap": -1}),
        ("overlap", {"overlap": 60}),
        ("overlap", {"overlap": True}),
        ("rule", {"rule": "random"}),
    ],
)
def test_bad_values_name_the_field(field, given):
    values = {"frames": 100, "length": 60, "overlap": 10} | given
    with pytest.raises(InputError, match=rf"^{field} is "):
        split_frames(values.pop("frames"), **values)


@pytest.mark.parametrize("size", [0, -2, 1.5, True])
def test_bad_batch_size(size):
    with pytest.raises(InputError, match="^batch_size is "):
        in_batches([(0, 5)], size)


def test_batches_keep_the_order():
    items = [(k, k + 5) for k in range(7)]
    assert [len(batch) for batch in in_batches(items, 3)] == [3, 3, 1]
    assert [item for batch in in_batches(items, 3) for item in batch] == items


@pytest.mark.parametrize("modality", ["joints3d", "verts3d", "points3d", "joints2d"])
def test_parts_of_a_problem_are_its_frames(modality):
    whole = fakes.problem(modality, frames=12)
    split = split_frames(12, length=5, overlap=1)
    part = sub_problem(whole, split.intervals)
    assert (part.batch, part.frames) == (3, 5)
    assert part.observations.seq_interval.tolist() == [list(interval) for interval in split.intervals]
    for row, (start, end) in enumerate(split.intervals):
        seen = getattr(part.observations, modality)[row]
        assert torch.equal(seen, getattr(whole.observations, modality)[0, start:end])
    if whole.has_camera:
        assert torch.equal(part.floor, whole.floor.expand(3, 4)) and part.camera is whole.camera


def test_the_whole_video_as_one_has_no_overlap_terms():
    whole = fakes.problem(frames=12)
    assert sub_problem(whole, [(0, 12)]).observations.seq_interval is None
    assert sub_problem(whole, [(0, 9)]).observations.seq_interval.tolist() == [[0, 9]]
    before = PreviousBatch((0, 5), torch.zeros(5, 43, 3), torch.zeros(16), torch.tensor([0.0, 0.0, 1.0, 0.0]))
    later = sub_problem(whole, [(4, 9)], previous=before)
    assert later.observations.seq_interval.tolist() == [[4, 9]] and later.observations.previous is before


def test_a_batch_is_not_split_again():
    whole = fakes.problem(frames=12, batch=2)
    with pytest.raises(InputError, match="batch of 2"):
        sub_problem(whole, [(0, 5)])
    assert sub_problem(replace(fakes.problem(frames=12)), [(0, 5), (4, 9)]).batch == 2
