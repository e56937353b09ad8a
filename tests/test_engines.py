"""Native, MJX, MuJoCo's C and Pinocchio on the same models: joint torques to 1e-12 of the largest."""

from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dynamics
import smpl2mjcf
from dynamics.agreement import States
from dynamics.mjx_inverse import _mjx_frames
from dynamics.reference_model import reference_model

TREES = sorted((Path(__file__).parent / "data" / "trees").glob("*.xml"))
# float64 rounding through at most 24 bodies stays near 1e-15; MJX loses up to 1e-13 in its mass matrix.
TOLERANCE = 1e-12
# As many as test_rnea.py uses, so that each tree is compiled for one number of frames.
STATES = 80


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module", params=[*TREES, "our humanoid"], ids=lambda tree: getattr(tree, "stem", tree))
def xml(request):
    if request.param == "our humanoid":
        return smpl2mjcf.build_humanoid(request.getfixturevalue("default_body")).xml
    return request.param.read_text()


@pytest.fixture(scope="module")
def model(xml):
    return mujoco.MjModel.from_xml_string(xml)


def read(name):
    return mujoco.MjModel.from_xml_path(str(next(path for path in TREES if path.stem == name)))


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def mj_inverse_with_flags(xml, states):
    """MuJoCo on the file as it is, with its own switches for what tau leaves out: shares no code with us."""
    model = mujoco.MjModel.from_xml_string(xml)
    for flag in ("CONSTRAINT", "SPRING", "DAMPER"):
        model.opt.disableflags |= int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{flag}"))
    model.opt.density = model.opt.viscosity = 0
    data = mujoco.MjData(model)
    tau = np.empty_like(states.qvel)
    for i, (qpos, qvel, qacc) in enumerate(zip(*states)):
        data.qpos, data.qvel, data.qacc = qpos, qvel, qacc
        mujoco.mj_inverse(model, data)
        tau[i] = data.qfrc_inverse
    return tau


def test_native_and_mjx_agree_with_mujoco(xml, model):
    states = dynamics.random_states(model, STATES, seed=1)
    judge = mj_inverse_with_flags(xml, states)
    assert relative(dynamics.mujoco_inverse(model, *states), judge) <= TOLERANCE
    assert relative(dynamics.rnea(dynamics.Tree.from_mjmodel(model), *states), judge) <= TOLERANCE
    tau = dynamics.mjx_inverse(model, *states)
    assert tau.dtype == np.float64
    assert relative(tau, judge) <= TOLERANCE


class PinocchioJudge:
    """Pinocchio on a forest, with MuJoCo's coordinates translated at its door.

    Pinocchio orders quaternions xyzw, takes a free joint's linear velocity and acceleration in the body
    frame, and has one joint a body; its bodies sit in the frame of their last joint.
    """

    def __init__(self, pin, mj):
        self.pin, self.mj = pin, mj
        self.model = pin.Model()
        self.model.gravity = pin.Motion(np.array(mj.opt.gravity), np.zeros(3))
        joint_of_body = {0: 0}
        placement_of_body = {0: pin.SE3.Identity()}  # body frame in the frame of the joint that carries it
        for body in range(1, mj.nbody):
            up = mj.body_parentid[body]
            fixed = pin.SE3(self.rotation(mj.body_quat[body]), mj.body_pos[body].copy())
            joint, place = joint_of_body[up], placement_of_body[up] * fixed
            for j in range(mj.body_jntadr[body], mj.body_jntadr[body] + mj.body_jntnum[body]):
                anchor = pin.SE3(np.eye(3), mj.jnt_pos[j].copy())
                free = mj.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE
                at = pin.SE3.Identity() if free else place * anchor
                joint = self.model.addJoint(joint, self.joint_model(j), at, f"joint{j}")
                place = anchor.inverse()
            if mj.body_mass[body] > 0:
                turn = self.rotation(mj.body_iquat[body])
                tensor = turn @ np.diag(mj.body_inertia[body]) @ turn.T
                inertia = pin.Inertia(mj.body_mass[body], mj.body_ipos[body].copy(), tensor)
                self.model.appendBodyToJoint(joint, inertia, place)
            joint_of_body[body], placement_of_body[body] = joint, place
        self.model.armature = mj.dof_armature.copy()

    def rotation(self, q):
        return self.pin.Quaternion(np.array([*q[1:], q[0]])).matrix()

    def joint_model(self, j):
        kind = mujoco.mjtJoint(self.mj.jnt_type[j]).name
        if kind == "mjJNT_FREE":
            return self.pin.JointModelFreeFlyer()
        if kind == "mjJNT_BALL":
            return self.pin.JointModelSpherical()
        turning = kind == "mjJNT_HINGE"
        joint = self.pin.JointModelRevoluteUnaligned if turning else self.pin.JointModelPrismaticUnaligned
        return joint(self.mj.jnt_axis[j].copy())

    def tau(self, qpos, qvel, qacc):
        return translated_rnea(self.pin, self.model, self.mj, qpos, qvel, qacc)


def translated_rnea(pin, pin_model, mj, qpos, qvel, qacc):
    """pin.rnea of one MuJoCo state, in MuJoCo's axes."""
    qpos, qvel, qacc = qpos.copy(), qvel.copy(), qacc.copy()
    turns = {}
    for j in range(mj.njnt):
        q, v = mj.jnt_qposadr[j], mj.jnt_dofadr[j]
        kind = mujoco.mjtJoint(mj.jnt_type[j]).name
        if kind in ("mjJNT_HINGE", "mjJNT_SLIDE"):
            qpos[q] -= mj.qpos0[q]
            continue
        q += 3 if kind == "mjJNT_FREE" else 0
        qpos[q : q + 4] = np.roll(qpos[q : q + 4], -1)
        if kind == "mjJNT_FREE":
            turns[v] = R = pin.Quaternion(qpos[q : q + 4]).matrix()
            qvel[v : v + 3] = R.T @ qvel[v : v + 3]
            # The derivative of body coordinates: the classical one less omega x v.
            qacc[v : v + 3] = R.T @ qacc[v : v + 3] - np.cross(qvel[v + 3 : v + 6], qvel[v : v + 3])
    tau = pin.rnea(pin_model, pin_model.createData(), qpos, qvel, qacc).copy()
    for v, R in turns.items():
        tau[v : v + 3] = R @ tau[v : v + 3]
    return tau


def test_native_agrees_with_pinocchio(model, oracle):
    states = dynamics.random_states(model, STATES, seed=2)
    judge = PinocchioJudge(oracle("pinocchio"), model)
    tau = np.array([judge.tau(*state) for state in zip(*states)])
    assert relative(dynamics.rnea(dynamics.Tree.from_mjmodel(model), *states), tau) <= TOLERANCE


# Pinocchio reads the first root body of a file only, so the forests are left to the judge above.
@pytest.mark.parametrize("name", ["ball_chain", "human_tree", "offset_joints"])
def test_native_agrees_with_pinocchios_own_reading_of_the_file(name, oracle):
    pin = oracle("pinocchio")
    path = next(path for path in TREES if path.stem == name)
    model = read(name)
    pin_model = pin.buildModelFromMJCF(str(path))
    pin_model.gravity = pin.Motion(np.array(model.opt.gravity), np.zeros(3))
    states = dynamics.random_states(model, STATES, seed=3)
    tau = np.array([translated_rnea(pin, pin_model, model, *state) for state in zip(*states)])
    assert relative(dynamics.rnea(dynamics.Tree.from_mjmodel(model), *states), tau) <= TOLERANCE


def random_forest(seed):
    """A forest of 1 to 8 bodies with every joint type and combination that MuJoCo allows."""
    rng = np.random.default_rng(seed)
    spec = mujoco.MjSpec()
    spec.option.gravity = rng.normal(size=3) * 10
    bodies = [spec.worldbody]
    for _ in range(rng.integers(1, 9)):
        up = bodies[rng.integers(len(bodies))]
        body = up.add_body(
            pos=rng.normal(size=3),
            quat=rng.normal(size=4),
            mass=rng.uniform(0.1, 3),
            ipos=rng.normal(size=3) * 0.2,
            iquat=rng.normal(size=4),
            inertia=rng.uniform(0.5, 1, 3),
            explicitinertial=True,
        )
        bodies.append(body)
        if up is spec.worldbody and rng.random() < 0.4:
            body.add_freejoint()
            continue
        scalar = [mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE]
        kinds = [scalar[rng.integers(2)] for _ in range(rng.integers(0, 4))]
        if rng.random() < 0.3:
            kinds = [k for k in kinds if k == mujoco.mjtJoint.mjJNT_SLIDE] + [mujoco.mjtJoint.mjJNT_BALL]
        for kind in kinds:
            joint = body.add_joint(type=kind, pos=rng.normal(size=3), armature=rng.uniform(0, 0.1))
            if kind in scalar:
                joint.axis, joint.ref = rng.normal(size=3), rng.normal()
    return spec.compile()


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000))
def test_native_agrees_with_mujoco_on_random_forests(seed):
    model = random_forest(seed)
    if model.nv == 0:
        return
    states = dynamics.random_states(model, 4, seed=seed)
    data = mujoco.MjData(model)
    judge = []
    for qpos, qvel, qacc in zip(*states):
        data.qpos, data.qvel, data.qacc = qpos, qvel, qacc
        mujoco.mj_inverse(model, data)
        judge.append(data.qfrc_inverse.copy())
    assert relative(dynamics.rnea(dynamics.Tree.from_mjmodel(model), *states), np.array(judge)) <= TOLERANCE


def model_bytes(model):
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer.tobytes()


@pytest.mark.parametrize("engine", ["mjx_inverse", "mujoco_inverse"])
def test_flags_have_no_influence_and_the_callers_model_stays_as_it_is(engine):
    inverse = getattr(dynamics, engine)
    model = read("scalar_arm")
    states = dynamics.random_states(model, STATES, seed=4)
    plain = inverse(model, *states)
    model.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_INVDISCRETE)
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_LIMIT)
    before = model_bytes(model)
    np.testing.assert_array_equal(inverse(model, *states), plain)
    assert model_bytes(model) == before


def test_gravity_flag_is_heard_by_every_engine():
    model = read("scalar_arm")
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_GRAVITY)
    still = States(model.qpos0[None], np.zeros((1, model.nv)), np.zeros((1, model.nv)))
    assert np.abs(dynamics.mujoco_inverse(model, *still)).max() == 0
    assert np.abs(dynamics.rnea(dynamics.Tree.from_mjmodel(model), *still)).max() == 0


def test_reference_model_keeps_every_number_bit_by_bit(model):
    reference = reference_model(model)
    for name in ("body_pos", "body_quat", "body_ipos", "body_iquat", "body_mass", "body_inertia"):
        np.testing.assert_array_equal(getattr(reference, name), getattr(model, name))
    for name in ("jnt_pos", "jnt_axis", "jnt_type", "jnt_bodyid", "dof_armature", "qpos0"):
        np.testing.assert_array_equal(getattr(reference, name), getattr(model, name))
    assert (reference.ngeom, reference.nu, reference.ntendon, reference.neq) == (0, 0, 0, 0)


def test_an_edited_model_is_seen():
    model = read("ball_chain")
    states = dynamics.random_states(model, STATES, seed=5)
    first = dynamics.mujoco_inverse(model, *states)
    model.body_mass[2] *= 2
    second = dynamics.mujoco_inverse(model, *states)
    assert relative(second, first) > 0.01
    assert relative(dynamics.rnea(dynamics.Tree.from_mjmodel(model), *states), second) <= TOLERANCE


def test_mjx_does_not_compile_again_for_a_repeat_or_another_body():
    model = read("ball_chain")
    states = dynamics.random_states(model, STATES, seed=6)
    dynamics.mjx_inverse(model, *states)
    compiled = _mjx_frames._cache_size()
    dynamics.mjx_inverse(model, *states)
    model.body_mass[:] *= 1.1
    model.body_ipos[2] += 0.01
    dynamics.mjx_inverse(model, *states)
    assert _mjx_frames._cache_size() == compiled


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_leading_axes_go_through_every_engine(leading):
    model = read("ball_chain")
    states = dynamics.random_states(model, STATES, seed=7)
    count = int(np.prod(leading))
    flat = dynamics.mujoco_inverse(model, *(a[:count] for a in states))
    shaped = [a[:count].reshape(*leading, -1) for a in states]
    expected = flat.reshape(*leading, model.nv)
    np.testing.assert_array_equal(dynamics.mujoco_inverse(model, *shaped), expected)
    # Filled up to the number of states that other tests have compiled MJX for.
    padded = [np.concatenate([a.reshape(count, -1), b[count:]]) for a, b in zip(shaped, states)]
    mjx = dynamics.mjx_inverse(model, *(a.reshape(2, STATES // 2, -1) for a in padded))
    assert relative(mjx.reshape(STATES, -1)[:count], flat) <= TOLERANCE
    native = dynamics.rnea(dynamics.Tree.from_mjmodel(model), *shaped)
    assert native.shape == expected.shape
    assert relative(native, expected) <= TOLERANCE


def test_a_model_without_joints_has_no_torques():
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><geom size='.1'/></body></worldbody></mujoco>"
    )
    assert set(dynamics.compare_engines(model, dynamics.random_states(model, 3, seed=0)).values()) == {0.0}
