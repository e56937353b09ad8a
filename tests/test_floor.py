"""The floor of a clip, flights, and frame rates that free fall contradicts."""

import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf import find_floor, flights, motion_to_qpos, warn_of_implausible_rate
from smpl2mjcf.floor import sole_points

G = 9.81


@pytest.fixture(scope="module")
def human(default_body):
    return smpl2mjcf.build_humanoid(default_body)


@pytest.fixture(scope="module")
def standing(human):
    return np.array(human.model.key("stand").qpos)


def hopping(standing, fps, speed=2.0, ground=0.3, hops=3):
    """Rigid hops of v = 2 m/s (.41 s, .20 m high), resting for `ground` s between, posed as in `stand`."""
    flight = 2 * speed / G
    t = np.arange(round((hops * (flight + ground) + ground) * fps)) / fps
    phase = np.mod(t - ground, flight + ground)
    aloft = (t >= ground) & (phase < flight)
    qpos = np.tile(standing, (len(t), 1))
    qpos[:, 2] += np.where(aloft, speed * phase - G / 2 * phase**2, 0.0)
    return qpos


def test_sole_points_are_the_lowest_of_the_mesh(human, standing, default_body):
    """In standing the boxes' lower corners lie where the mesh's lowest vertex does (z = 0 in `stand`)."""
    for side in ("left", "right"):
        points = sole_points(human.model, standing[None], side)[0]
        assert abs(points[:, 2].min()) < 1e-6


@pytest.mark.parametrize("height", [0.0, 0.046, -0.3])
def test_the_walk_s_floor_is_found_wherever_it_is(human, height):
    qpos = motion_to_qpos(human, smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz")))
    qpos[:, 2] += height
    floor = find_floor(human.model, qpos, 120.0)
    assert floor.height == pytest.approx(height, abs=0.003)
    assert floor.resting_frames > 600
    assert floor.spread < 0.005
    assert f"floor at z = {floor.height:.3f} m" in str(floor)


def test_kicks_below_the_floor_and_gaps_do_not_move_it(human):
    qpos = motion_to_qpos(human, smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz")))
    qpos[100:120, 2] -= 0.1 * np.sin(np.linspace(0, np.pi, 20))
    qpos[200:260] = np.nan
    assert find_floor(human.model, qpos, 120.0).height == pytest.approx(0, abs=0.003)


@pytest.mark.parametrize("lost", [slice(30, 31), slice(1, None, 2), [0, 1], [-1], slice(40, 44)])
def test_lost_frames_leave_the_floor_where_it_is(human, lost):
    """Also single ones: a difference across a lost frame is finite, its height is not."""
    qpos = motion_to_qpos(human, smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz")))[:200]
    qpos[lost] = np.nan
    assert find_floor(human.model, qpos, 120.0).height == pytest.approx(0, abs=0.003)


def test_a_foot_held_up_is_not_the_floor(human, standing):
    qpos = np.tile(standing, (60, 1))
    for joint, angle in (("left_hip", -1.0), ("left_knee", 1.5)):
        start = human.model.jnt_qposadr[human.joint_id(joint)]
        qpos[:, start : start + 4] = Rotation.from_rotvec([angle, 0, 0]).as_quat(scalar_first=True)
    assert find_floor(human.model, qpos, 60.0).height == pytest.approx(0, abs=1e-6)


def test_stairs_are_no_floor_and_said_so(human, standing):
    qpos = np.tile(standing, (90, 1))
    qpos[:, 2] += np.repeat([0.0, 0.2, 0.4], 30)
    with pytest.warns(UserWarning, match=r"20 cm \(median\) from the floor found at z = 0.200 m: stairs"):
        find_floor(human.model, qpos, 60.0)


def test_the_floor_is_where_most_frames_rest(human, standing):
    """A quarter of the frames half a metre higher, on a box: the median stays, a mean would not."""
    qpos = np.tile(standing, (80, 1))
    qpos[60:, 2] += 0.5
    assert find_floor(human.model, qpos, 60.0).height == pytest.approx(0, abs=1e-6)


def test_a_foot_that_never_rests_leaves_the_lowest_point(human, standing):
    qpos = np.tile(standing, (30, 1))
    qpos[:, 0] = np.arange(30) * 0.02
    qpos[:, 2] += np.linspace(0.2, 0.1, 30)
    floor = find_floor(human.model, qpos, 30.0)
    assert floor.height == pytest.approx(0.1, abs=1e-6)
    assert floor.resting_frames == 0
    assert "lowest sole" in str(floor)
    assert find_floor(human.model, qpos[:1], 30.0).height == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("fps", [30.0, 60.0, 120.0])
def test_hops_fall_at_g(human, standing, fps):
    qpos = hopping(standing, fps)
    floor = find_floor(human.model, qpos, fps)
    found = flights(human.model, qpos, fps, floor)
    assert len(found) == 3
    for flight in found:
        assert flight.acceleration == pytest.approx(-G, rel=1e-9)  # rigid: the root's parabola is the CoM's
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_of_implausible_rate(human.model, found, fps) == pytest.approx(fps)


@pytest.mark.parametrize(
    ("true", "stated"), [(120.0, 60.0), (60.0, 120.0), (30.0, 24.0), (30.0, 25.0), (120.0, 30.0)]
)
def test_a_mistaken_frame_rate_is_noticed_by_free_fall(human, standing, true, stated):
    qpos = hopping(standing, true)
    found = flights(human.model, qpos, stated, find_floor(human.model, qpos, stated))
    assert len(found) == 3
    with pytest.warns(
        UserWarning, match=f"in 3 flight phases .* frame rate of {stated:g} Hz.*at {true:.0f} Hz it would"
    ):
        assert warn_of_implausible_rate(human.model, found, stated) == pytest.approx(true, rel=1e-3)


@pytest.mark.parametrize("stated", [120.0, 60.0, 240.0])
def test_a_run_s_low_flights_agree_on_the_rate(human, stated):
    """Twelve flights of the embedded run, none with the soles 4 cm above the floor."""
    qpos = motion_to_qpos(human, smpl2mjcf.load_motion(smpl2mjcf.model_file("run.npz")))
    found = flights(human.model, qpos, stated, find_floor(human.model, qpos, stated))
    assert len(found) == 12
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert warn_of_implausible_rate(human.model, found, stated) == pytest.approx(120, rel=0.01)


@pytest.mark.parametrize("name", ["walk", "squat", "sit_to_stand", "arm_raise"])
def test_nobody_flies_who_keeps_a_foot_down(human, name):
    qpos = motion_to_qpos(human, smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz")))
    assert flights(human.model, qpos, 120.0, find_floor(human.model, qpos, 120.0)) == []


def test_feet_in_the_air_without_falling_are_no_flight(human, standing):
    """Swinging legs on a high chair: feet aloft for seconds, the centre of mass bobs by a few millimetres."""
    t = np.arange(240) / 60
    qpos = np.tile(standing, (240, 1))
    qpos[60:, 2] += 0.3
    for side, phase in (("left", 0.0), ("right", np.pi)):
        start = human.model.jnt_qposadr[human.joint_id(f"{side}_knee")]
        knee = Rotation.from_rotvec(np.outer(0.8 + 0.5 * np.sin(3 * t + phase), [1, 0, 0]))
        qpos[:, start : start + 4] = knee.as_quat(scalar_first=True)
    assert flights(human.model, qpos, 60.0, smpl2mjcf.Floor(0.0, 0.0, 1)) == []
    assert warn_of_implausible_rate(human.model, [], 60.0) is None


def test_flights_are_above_their_own_floor(human, standing):
    """On a balcony nobody flies while standing; hops there are found."""
    qpos = hopping(standing, 60.0)
    qpos[:, 2] += 3.0
    floor = find_floor(human.model, qpos, 60.0)
    assert floor.height == pytest.approx(3, abs=1e-6)
    assert len(flights(human.model, qpos, 60.0, floor)) == 3
    still = np.tile(standing, (60, 1))
    still[:, 2] += 3.0 - 0.002 * np.linspace(-1, 1, 60) ** 2
    assert flights(human.model, still, 60.0, floor) == []


@pytest.mark.parametrize(
    ("frames", "wobble"), [(600, 0.0), (30, 0.05)], ids=["forty times too slow", "no parabola"]
)
def test_arcs_too_slow_or_too_rough_are_no_falls(human, standing, frames, wobble):
    """Carried up and down in ten seconds, or shaken in half a second: a smooth arc of that is a fall."""
    qpos = np.tile(standing, (frames, 1))
    s = np.linspace(-1, 1, frames)
    qpos[:, 2] += 0.5 + 0.1 * (1 - s**2) + wobble * np.sin(3 * np.pi * s)
    floor = smpl2mjcf.Floor(0.0, 0.0, 1)
    assert flights(human.model, qpos, 60.0, floor) == []
    if wobble:
        qpos[:, 2] -= wobble * np.sin(3 * np.pi * s)
        assert len(flights(human.model, qpos, 60.0, floor)) == 1


def test_a_gap_is_no_flight(human, standing):
    qpos = hopping(standing, 60.0)
    floor = find_floor(human.model, qpos, 60.0)
    first = flights(human.model, qpos, 60.0, floor)[0]
    qpos[first.start : first.end + 1] = np.nan
    assert len(flights(human.model, qpos, 60.0, floor)) == 2


def test_recorded_jumps_imply_the_recording_s_rate(shared, default_body):
    """CMU's ten jumps of 01_01 at 120 Hz, and read as 60 Hz: the fall says 120 both times."""
    folder = shared / "data" / "cmu_mocap"
    for fps in (120.0, 60.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            motion = smpl2mjcf.load_motion(folder / "01_01.amc", skeleton=folder / "01.asf", fps=fps)
            human = smpl2mjcf.build_humanoid(default_body, smpl2mjcf.betas_for_body(motion, default_body))
        qpos = motion_to_qpos(human, motion)
        found = flights(human.model, qpos, fps, find_floor(human.model, qpos, fps))
        assert len(found) == 10
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert warn_of_implausible_rate(human.model, found, fps) == pytest.approx(120, rel=0.02)
        assert len(caught) == (fps == 60.0)
