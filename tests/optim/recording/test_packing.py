"""Blocks of arrays and of loss terms: what goes in comes out, exactly or as exactly as is promised."""

from __future__ import annotations

import numpy as np
import pytest

from optim.recording import figures
from optim.recording.packing import pack, unpack


def test_arrays_come_back_bit_for_bit():
    draw = np.random.RandomState(0)
    arrays = {
        "short": draw.randint(-32768, 32767, (5, 7, 3)).astype(np.int16),
        "long": draw.randint(-(2**31), 2**31 - 1, (6, 5)).astype(np.int32),
        "real": draw.randn(4, 2),
        "odd": np.array([np.nan, np.inf, -0.0, 1e-40], np.float32),
        "none": np.zeros((0, 3), np.int16),
        "single": np.array(3.5),
    }
    found = unpack(pack(arrays, along={"short": (1, 0), "long": (0,)}))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes(), name


def test_what_changes_little_takes_little_room():
    slow = np.cumsum(np.random.RandomState(1).randint(-3, 4, (40, 500)), axis=0).astype(np.int16)
    assert len(pack({"a": slow}, along={"a": (0,)})) < len(pack({"a": slow})) < slow.nbytes


@pytest.mark.parametrize("block", [b"", b"\x05", b"\x02\x00\x00\x00[]nothing that zlib wrote"])
def test_damaged_blocks_say_so(block):
    with pytest.raises(ValueError, match="a block of arrays cannot be read"):
        unpack(block)


def evaluation(draw: np.random.RandomState, *, terms: int = 3, frames: int = 6) -> figures.Plain:
    shares = draw.randn(2, 1, frames).astype(np.float32) * np.array([1e6, 1e-6], np.float32)[:, None, None]
    return {
        "total": float(draw.randn()),
        "names": tuple(f"term{number}" for number in range(terms)),
        "numbers": draw.randn(terms, 3),
        "per_frame": [([0, 2], shares)],
        "norms": {"trans": float(draw.rand()), "betas": float("nan")},
    }


def test_loss_terms_come_back_exactly_and_shares_of_frames_nearly():
    draw = np.random.RandomState(2)
    given = [evaluation(draw) for _ in range(5)]
    ((layout, places),) = figures.runs(given)
    assert places == range(5)
    for found, expected in zip(figures.unpacked(layout, unpack(figures.packed(given))), given, strict=True):
        assert found["total"] == expected["total"] and found["names"] == expected["names"]
        assert found["numbers"].tobytes() == expected["numbers"].tobytes()
        np.testing.assert_equal(found["norms"], expected["norms"])
        ((rows, shares),) = found["per_frame"]
        assert rows == [0, 2]
        np.testing.assert_allclose(shares, expected["per_frame"][0][1], rtol=5e-4)


def test_another_layout_begins_another_block(monkeypatch):
    monkeypatch.setattr(figures, "MOST", 4)
    draw = np.random.RandomState(3)
    given = [evaluation(draw) for _ in range(6)] + [evaluation(draw, terms=4)] + [evaluation(draw, frames=3)] * 2
    assert [places for _, places in figures.runs(given)] == [range(4), range(4, 6), range(6, 7), range(7, 9)]
    assert list(figures.runs([])) == []
