"""Frames that were not recorded, on their way through the trajectory."""

import mujoco
import numpy as np
import pytest

import dynamics
from dynamics import gaps, so3

FLOAT_AND_BALL = """<mujoco><worldbody><body><freejoint/><geom size=".1"/>
  <body pos="1 0 0"><joint type="ball"/><geom size=".1"/></body></body></worldbody></mujoco>"""


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(FLOAT_AND_BALL)


def swing(frames, fps):
    t = np.arange(frames) / fps
    qpos = np.empty((frames, 11))
    qpos[:, :3] = np.stack([np.sin(3 * t), np.cos(4 * t), t], axis=-1)
    qpos[:, 3:7] = so3.exp(np.stack([2 * np.sin(t), np.cos(2 * t), 0 * t], axis=-1))
    qpos[:, 7:] = so3.exp(np.stack([0 * t, 3 * t, 0 * t], axis=-1))
    return qpos


@pytest.mark.parametrize(("fps", "cutoff"), [(30.0, 6.0), (30.0, None), (120.0, 6.0), (60.0, 10.0)])
def test_valid_frames_do_not_rest_on_what_was_not_recorded(model, fps, cutoff):
    """Replace the gap by anything as large as the recording: what is valid moves by 1 % of the largest."""
    frames, gap = 300, slice(140, 149)
    rng = np.random.default_rng(4)
    qpos = np.zeros((frames, 11))
    qpos[:, 3] = qpos[:, 7] = 1
    qpos[:, 0] = rng.choice([-1.0, 1.0], size=frames)  # the worst there is for absolute weights
    whole = dynamics.trajectory(model, qpos, fps, cutoff)
    holed = qpos.copy()
    holed[gap] = np.nan
    path = dynamics.trajectory(model, holed, fps, cutoff)
    assert np.isfinite(path.qpos).all()
    assert np.isfinite(path.qacc).all()
    assert not path.valid[gap].any()
    moved = np.abs(path.qacc[:, 0] - whole.qacc[:, 0])
    # PCHIP stays between the samples (-1 .. 1), so the bridge is at most 2 away from any recording.
    assert moved[path.valid].max() < 0.02 * np.abs(whole.qacc[:, 0]).max()
    lost = np.flatnonzero(whole.valid & ~path.valid)
    np.testing.assert_array_equal(lost, np.arange(lost[0], lost[-1] + 1))
    assert lost[0] < 140
    assert lost[-1] > 148
    assert 140 - lost[0] == lost[-1] - 148


def test_a_bridged_gap_follows_the_motion(model):
    """Three lost frames at 60/s: the bridge is within a millimetre and a milliradian or so of the truth."""
    qpos = swing(200, 60.0)
    holed = qpos.copy()
    holed[90:93] = np.nan
    path = dynamics.trajectory(model, holed, 60.0, None)
    np.testing.assert_allclose(path.qpos[90:93, :3], qpos[90:93, :3], atol=3e-3)
    turn = so3.log(so3.multiply(so3.conjugate(path.qpos[90:93, 7:]), qpos[90:93, 7:]))
    assert np.abs(turn).max() < 5e-3
    np.testing.assert_allclose(np.linalg.norm(path.qpos[:, 7:], axis=1), 1, atol=1e-12)


def test_signs_of_quaternions_are_followed_across_a_gap(model):
    qpos = swing(200, 60.0)
    flipped = qpos.copy()
    flipped[100:, 7:] *= -1
    for samples in (qpos, flipped):
        samples[95:103] = np.nan
    one, other = (dynamics.trajectory(model, samples, 60.0, 6.0) for samples in (qpos, flipped))
    np.testing.assert_allclose(one.qacc, other.qacc, atol=1e-9)


def test_ends_that_were_not_recorded_are_held(model):
    qpos = swing(200, 60.0)
    qpos[:5], qpos[-1] = np.nan, np.nan
    path = dynamics.trajectory(model, qpos, 60.0, None)
    np.testing.assert_allclose(path.qpos[:5], np.repeat(path.qpos[5:6], 5, axis=0), atol=1e-12)
    assert not path.valid[:5].any()
    assert len(path.valid) == 200


def test_a_motion_with_a_single_recorded_frame_is_refused_for_its_gaps(model):
    qpos = np.full((50, 11), np.nan)
    qpos[20] = swing(1, 60.0)
    with pytest.raises(
        dynamics.TrajectoryError, match="49 of 50 frames were not recorded; .* run of 11 frames"
    ):
        dynamics.trajectory(model, qpos, 60.0, None)
    with pytest.raises(dynamics.StateError, match="none of the 50 frames was recorded"):
        dynamics.trajectory(model, np.full((50, 11), np.nan), 60.0, None)


def test_a_nan_inside_a_frame_is_an_error_not_a_gap(model):
    qpos = swing(50, 60.0)
    qpos[10] = np.nan
    qpos[30, 8] = np.nan
    with pytest.raises(dynamics.StateError, match="is not finite at frame 30"):
        dynamics.trajectory(model, qpos, 60.0, None)


def test_the_share_of_missing_frames_is_the_sum_of_their_weights():
    """By hand: weights 1/2, 1/8 + 1/8, 1/16 + 1/16, ... of a kernel that reaches three frames."""
    weights = np.array([0.5, 0.125, 0.0625, 0.0625])
    lost = 1.0 - 0.5 - np.cumsum(np.append(0.0, weights[1:])) - 0.25  # further than m frames to one side
    missing = np.zeros(9, dtype=bool)
    missing[4] = True
    share = gaps.missing_share(missing, lost)
    np.testing.assert_allclose(share, [0, 0.0625, 0.0625, 0.125, 0.5, 0.125, 0.0625, 0.0625, 0], atol=1e-12)
