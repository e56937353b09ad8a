"""The joints and actuators of a model's bodies in words: kinds, limits, and the torque at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import mujoco
import numpy as np

TURN = 2 * np.pi

MARK = "*"
"""Behind a range of a whole turn or more: it limits nothing that a pose can tell apart."""

NO_LIMIT = "no limit"

_KINDS = {
    mujoco.mjtJoint.mjJNT_FREE: "free",
    mujoco.mjtJoint.mjJNT_BALL: "ball",
    mujoco.mjtJoint.mjJNT_SLIDE: "slide",
    mujoco.mjtJoint.mjJNT_HINGE: "hinge",
}
_NEARLY_AN_AXIS = np.cos(np.deg2rad(1.0))


def joints_of(model: mujoco.MjModel, body: int) -> range:
    """MuJoCo's ids of a body's joints."""
    start = int(model.body_jntadr[body])
    return range(start, start + int(model.body_jntnum[body]))


def kind_of(model: mujoco.MjModel, joint: int) -> str:
    """'free', 'ball', 'slide' or 'hinge'."""
    return _KINDS[mujoco.mjtJoint(model.jnt_type[joint])]


def joints_text(model: mujoco.MjModel, body: int) -> str:
    """The joints of a body with their ranges: "3 hinges: x -90.0..90.0, ... deg", "ball, no limit".

    Ranges are those about qpos0, deg or mm; a hinge's axis is named where it is one of the body's own.
    """
    by_kind: dict[str, list[str]] = {}
    for joint in joints_of(model, body):
        by_kind.setdefault(kind_of(model, joint), []).append(_range_text(model, joint))
    texts = []
    for kind, ranges in by_kind.items():
        if kind == "free":
            texts.append("free")
        elif len(ranges) == 1:
            texts.append(f"{kind}, {ranges[0]}" if kind == "ball" else f"{kind} {ranges[0]}")
        else:
            texts.append(f"{len(ranges)} {kind}s: {', '.join(ranges)}")
    return "; ".join(texts) if texts else "welded"


def limits_something(model: mujoco.MjModel, joint: int) -> bool:
    """Whether a joint has a range, and for a turning one less than a whole turn."""
    if not model.jnt_limited[joint]:
        return False
    low, high = model.jnt_range[joint]
    if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_BALL:
        return bool(high < TURN / 2)  # the largest angle of the rotation; none is above half a turn
    return bool(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE or high - low < TURN)


def unlimited_axes(model: mujoco.MjModel, joint: int) -> int:
    """How many axes a joint can turn about without a limit; none of a free joint's are counted."""
    kind = kind_of(model, joint)
    return 0 if kind in ("free", "slide") or limits_something(model, joint) else 3 if kind == "ball" else 1


def rests_outside(model: mujoco.MjModel, joint: int) -> bool:
    """Whether qpos0 lies outside a hinge's or slide's range, by more than rounding."""
    if not model.jnt_limited[joint] or kind_of(model, joint) not in ("hinge", "slide"):
        return False
    low, high = model.jnt_range[joint]
    return bool(not low - 1e-6 <= model.qpos0[model.jnt_qposadr[joint]] <= high + 1e-6)


def range_widths(model: mujoco.MjModel, body: int) -> list[float]:
    """How far each turning axis of a body can go, rad, ascending; inf without a limit."""
    widths = []
    for joint in joints_of(model, body):
        if kind_of(model, joint) in ("ball", "hinge"):
            low, high = model.jnt_range[joint]
            widths.append(float(high - low) if limits_something(model, joint) else np.inf)
    return sorted(widths)


def _range_text(model: mujoco.MjModel, joint: int) -> str:
    kind = kind_of(model, joint)
    name = "" if kind in ("free", "ball") else _axis_name(model.jnt_axis[joint])
    if not model.jnt_limited[joint]:
        return name + NO_LIMIT
    low, high = model.jnt_range[joint] - (
        model.qpos0[model.jnt_qposadr[joint]] if kind in ("slide", "hinge") else 0.0
    )
    if kind == "slide":
        return f"{name}{_short(1e3 * low)}..{_short(1e3 * high)} mm"
    text = (
        f"up to {_short(np.rad2deg(high))}"
        if kind == "ball"
        else f"{_short(np.rad2deg(low))}..{_short(np.rad2deg(high))}"
    )
    return f"{name}{text} deg" + ("" if limits_something(model, joint) else MARK)


def _axis_name(axis: np.ndarray) -> str:
    nearest = int(np.abs(axis).argmax())
    if abs(axis[nearest]) < _NEARLY_AN_AXIS:
        return "oblique "
    return ("-" if axis[nearest] < 0 else "") + "xyz"[nearest] + " "


def _short(value: float) -> str:
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text


def actuator_kind(model: mujoco.MjModel, actuator: int) -> str:
    """'motor', 'position', 'velocity', 'muscle' or 'other'."""
    gain, bias = model.actuator_gaintype[actuator], model.actuator_biastype[actuator]
    if gain == mujoco.mjtGain.mjGAIN_MUSCLE:
        return "muscle"
    if gain == mujoco.mjtGain.mjGAIN_FIXED and bias == mujoco.mjtBias.mjBIAS_NONE:
        return "motor"
    if gain == mujoco.mjtGain.mjGAIN_FIXED and bias == mujoco.mjtBias.mjBIAS_AFFINE:
        stiffness, damping = model.actuator_biasprm[actuator, 1:3]
        return "position" if stiffness else "velocity" if damping else "other"
    return "other"


def actuators_of(model: mujoco.MjModel, body: int) -> list[int]:
    """MuJoCo's ids of the actuators that act on a body's joints directly."""
    on_joints = np.isin(
        model.actuator_trntype, (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)
    )
    joints = list(joints_of(model, body))
    return np.flatnonzero(on_joints & np.isin(model.actuator_trnid[:, 0], joints)).tolist()


def largest_force(model: mujoco.MjModel, actuator: int) -> float:
    """N m (N for a slide) that an actuator can put on its joint; inf without a limit.

    The force range times the gear; for a motor also its control range times gain and gear; never more
    than the joint's own actuatorfrcrange. A muscle's peak depends on the pose: inf here.
    """
    gear = float(np.linalg.norm(model.actuator_gear[actuator, :3]))
    limits = [np.inf]
    if model.actuator_forcelimited[actuator]:
        limits.append(float(np.abs(model.actuator_forcerange[actuator]).max()) * gear)
    if model.actuator_ctrllimited[actuator] and actuator_kind(model, actuator) == "motor":
        gain = abs(float(model.actuator_gainprm[actuator, 0]))
        limits.append(float(np.abs(model.actuator_ctrlrange[actuator]).max()) * gain * gear)
    joint = model.actuator_trnid[actuator, 0]
    if model.jnt_actfrclimited[joint]:
        limits.append(float(np.abs(model.jnt_actfrcrange[joint]).max()))
    return min(limits)


def actuators_text(model: mujoco.MjModel, body: int) -> str:
    """The actuators of a body's joints with the most that each can do: "3 motors: 100 N m each".

    "" where it has none.
    """
    by_kind: dict[str, list[str]] = {}
    for actuator in actuators_of(model, body):
        by_kind.setdefault(actuator_kind(model, actuator), []).append(_force_text(model, actuator))
    texts = []
    for kind, forces in by_kind.items():
        if len(forces) == 1:
            texts.append(f"{kind}: {forces[0]}")
        else:
            shown = ", ".join(forces)
            if len(set(forces)) == 1:
                shown = forces[0] + ("" if forces[0] == NO_LIMIT else " each")
            texts.append(f"{len(forces)} {kind}s: {shown}")
    return "; ".join(texts)


def _force_text(model: mujoco.MjModel, actuator: int) -> str:
    force = largest_force(model, actuator)
    unit = "N" if kind_of(model, model.actuator_trnid[actuator, 0]) == "slide" else "N m"
    return NO_LIMIT if np.isinf(force) else f"{force:.4g} {unit}"


def counted(words: Sequence[str]) -> str:
    """How often each word stands in a list: "23 ball, 1 free"; "none" for an empty one."""
    return ", ".join(f"{n} {word}" for word, n in Counter(words).most_common()) or "none"
