"""Whatever a model contains, tau of three engines is MuJoCo's M qacc + bias; full_inverse is its whole."""

import copy
from collections import defaultdict

import jax
import mujoco
import numpy as np
import pytest

import dynamics

# One forest with every joint type, so that MJX compiles once for all kinds of contents.
TEMPLATE = """
<mujoco>
  <compiler angle="radian" {compiler}/>
  <option gravity="1 -2 -9" {option}>{flags}</option>
  {top}
  <asset>{asset}</asset>
  <worldbody>
    {world}
    <body name="post" pos=".5 0 .3" {post}>
      <geom type="box" size=".1 .1 .3"/><site name="anchor" pos="0 0 .3"/>
      <geom name="ball" type="sphere" size=".1" pos="0 .2 .3"/>
    </body>
    <body name="box" pos="0 0 .2" {box}>
      <freejoint name="root"/>
      <geom name="box" type="box" size=".1 .2 .3" pos=".05 0 0" {geom}/><site name="grip" pos=".1 0 .1"/>
    </body>
    <body name="upper" pos="0 .3 .5" {upper}>
      <joint name="ball" type="ball" armature=".01" {ball}/>
      <geom name="upper" type="capsule" size=".05" fromto="0 0 0 .3 .1 0" {geom}/>
      <site name="a" pos=".1 0 .1"/>
      <body name="lower" pos=".3 .1 0" euler=".3 .2 .1" {lower}>
        <joint name="slide" type="slide" axis="1 .2 0" {slide}/>
        <joint name="hinge" axis=".1 1 0" pos=".02 0 .01" ref=".3" {hinge}/>
        <geom name="lower" type="ellipsoid" size=".05 .06 .2" pos="0 0 -.2" {geom}/>
        <site name="b" pos="0 0 -.3"/>
        <site name="crank" pos=".1 0 0"/>
      </body>
    </body>
  </worldbody>
  {after}
</mujoco>
"""

FIXED = (
    '<tendon><fixed name="t" {}><joint joint="hinge" coef="2"/>'
    '<joint joint="slide" coef="-1"/></fixed></tendon>'
)
SPATIAL = (
    '<tendon><spatial name="t" {}><site site="anchor"/><geom geom="ball"/><site site="a"/>'
    '<pulley divisor="2"/><site site="b"/><site site="grip"/></spatial></tendon>'
)
OFF = 'active="false"'


def actuator(xml):
    return {"after": f"<actuator>{xml}</actuator>"}


def flags(**switches):
    return {"flags": f"<flag {' '.join(f'{name}={value!r}' for name, value in switches.items())}/>"}


ACCEPTED = {
    "nothing more": {},
    "joint springs": {
        "ball": 'stiffness="3"',
        "hinge": 'stiffness="5 1" springref=".2"',
        "slide": 'stiffness="7"',
    },
    "plastic springs": {
        "hinge": 'stiffness="5" springyield=".01"',
        "ball": 'stiffness="5" springyield=".01"',
    },
    "joint dampers": {"ball": 'damping=".3"', "hinge": 'damping=".5 .1"', "slide": 'springdamper="1 1"'},
    "friction loss": {"ball": 'frictionloss=".3"', "hinge": 'frictionloss=".5"'},
    "limits": {
        "ball": 'limited="true" range="0 .2"',
        "hinge": 'limited="true" range="-.1 .1"',
        "slide": 'limited="true" range="-.1 .1" margin=".05"',
    },
    "gravity compensation": {"box": 'gravcomp="1"', "lower": 'gravcomp=".5"'},
    "gravity compensation by actuators": {"lower": 'gravcomp="1"', "hinge": 'actuatorgravcomp="true"'},
    "force limits of joints": {"hinge": 'actuatorfrcrange="-1 1"'},
    "fixed tendon": {
        "after": FIXED.format('stiffness="9" damping="2" frictionloss=".1" limited="true" range="0 .01"')
    },
    "spatial tendon": {"after": SPATIAL.format('stiffness="9" damping="2" springlength="0 .1"')},
    "plastic tendon": {"after": SPATIAL.format('stiffness="9" springyield=".01"')},
    "contacts": {
        "world": '<geom type="plane" size="9 9 .1" friction="1 .1 .1"/>',
        "geom": 'condim="6" adhesion="2" surfacevel="1 0 0 0 0 1"',
    },
    "contact pairs": {"after": '<contact><pair geom1="box" geom2="upper"/></contact>'},
    "medium": {"option": 'density="1000" viscosity=".5" wind="1 2 3"'},
    "medium around ellipsoids": {"option": 'density="1000"', "geom": 'fluidshape="ellipsoid"'},
    "motor": actuator('<motor joint="hinge" gear="3" damping=".4"/>'),
    "position servo": actuator('<position joint="slide" kp="30" dampratio="1"/>'),
    "velocity servo": actuator('<velocity jointinparent="ball" gear="1 2 3" kv="4"/>'),
    "integrated velocity servo": actuator('<intvelocity joint="hinge" kp="3" actrange="-1 1"/>'),
    "orientation servo": actuator('<orientation joint="ball" kp="3" kv="1"/>'),
    "damper": actuator('<damper joint="hinge" kv="4" ctrlrange="0 1"/>'),
    "cylinder": actuator('<cylinder joint="slide" area="2" timeconst=".1"/>'),
    "muscle": actuator('<muscle joint="hinge" lengthrange="-1 1"/>'),
    "muscle on a tendon": {
        "after": SPATIAL.format("") + '<actuator><muscle tendon="t" lengthrange=".1 2" force="9"/></actuator>'
    },
    "adhesive actuator": actuator('<adhesion body="box" ctrlrange="0 1" gain="9"/>'),
    "DC motor": actuator('<dcmotor joint="hinge" motorconst=".1" resistance="2" inductance=".1 0"/>'),
    "PID": actuator('<pid joint="hinge" kp="3" ki="1" kv=".1"/>'),
    "actuator with dynamics and delay": actuator(
        '<general joint="hinge" dyntype="filterexact" dynprm=".1" delay=".01" nsample="8"/>'
    ),
    "thruster": actuator('<general site="grip" refsite="anchor" gear="1 2 3 4 5 6"/>'),
    "slider crank": actuator('<motor slidersite="a" cranksite="crank" cranklength=".5"/>'),
    "plugin": {
        "top": '<extension><plugin plugin="mujoco.pid"><instance name="p"><config key="kp" value="9"/>'
        "</instance></plugin></extension>",
        "after": '<actuator><plugin joint="hinge" plugin="mujoco.pid" instance="p"/></actuator>',
    },
    "inactive equalities": {
        "after": f'<equality><connect body1="box" body2="lower" anchor="0 0 0" {OFF}/>'
        f'<weld body1="box" body2="upper" {OFF}/><joint joint1="hinge" joint2="slide" {OFF}/></equality>'
    },
    "equality switched off": {
        "after": '<equality><weld body1="box" body2="upper"/></equality>',
        **flags(equality="disable"),
    },
    "constraints switched off": {
        "after": '<equality><weld body1="box" body2="upper"/></equality>',
        "hinge": 'limited="true" range="-.1 .1"',
        **flags(constraint="disable"),
    },
    "mocap body": {"post": 'mocap="true"'},
    "armature": {"hinge": 'armature=".7"', "slide": 'armature=".2"'},
    "inertia from other rules": {"compiler": 'balanceinertia="true" boundinertia=".1" boundmass="2"'},
    "sensors, camera, light, keyframe, user data": {
        "world": '<camera name="c" mode="targetbody" target="box"/><light mode="trackcom"/>',
        "after": '<sensor><accelerometer site="grip"/><force site="b"/><subtreeangmom body="upper"/></sensor>'
        '<keyframe><key name="k"/></keyframe><custom><numeric name="n" data="1 2"/></custom>',
    },
    "height field": {
        "asset": '<hfield name="h" nrow="3" ncol="3" size="1 1 .1 .1" elevation="0 1 0 1 0 1 0 1 0"/>',
        "world": '<geom type="hfield" hfield="h"/>',
    },
    "gravity switched off": flags(gravity="disable"),
    "springs and dampers switched off": {
        "ball": 'stiffness="3" damping="1"',
        **flags(spring="disable", damper="disable"),
    },
    "actuation switched off": {**actuator('<motor joint="hinge"/>'), **flags(actuation="disable")},
    "every optional feature": {
        "hinge": 'damping="1"',
        **flags(
            override="enable", energy="enable", fwdinv="enable", invdiscrete="enable", diagexact="enable"
        ),
    },
    "sleep": {"box": 'sleep="init"', "geom": 'contype="0"', **flags(sleep="enable")},
    **{
        f"integrator {name}": {
            "option": f'integrator="{name}" density="9"',
            "hinge": 'damping="1" stiffness="9"',
        }
        for name in ("Euler", "RK4", "implicit", "implicitfast", "discrete")
    },
}


ENGINES = {
    "native": lambda model, *states: dynamics.rnea(dynamics.Tree.from_mjmodel(model), *states),
    "mjx": dynamics.mjx_inverse,
    "mujoco": dynamics.mujoco_inverse,
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def compiled(**slots):
    return mujoco.MjModel.from_xml_string(TEMPLATE.format_map(defaultdict(str, slots)))


def mass_matrix_and_bias(model, states):
    """M qacc + c - g by MuJoCo on the file as it is: no inverse dynamics, no code of ours."""
    model = copy.copy(model)
    model.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_SLEEP)  # what sleeps is not computed
    data, M = mujoco.MjData(model), np.empty((model.nv, model.nv))
    tau = np.empty_like(states.qvel)
    for i, (qpos, qvel, qacc) in enumerate(zip(*states)):
        data.qpos, data.qvel = qpos, qvel
        mujoco.mj_forward(model, data)
        mujoco.mj_fullM(model, data, M)
        tau[i] = M @ qacc + data.qfrc_bias
    return tau


@pytest.mark.parametrize("kind", ACCEPTED)
def test_contents_leave_tau_alone(kind):
    model = compiled(**ACCEPTED[kind])
    states = dynamics.random_states(model, 20, seed=0)
    judge = mass_matrix_and_bias(model, states)
    for engine, inverse in ENGINES.items():
        tau = inverse(model, *states)
        # float64 rounding over 4 moving bodies, through a mass matrix in the judge and in MJX.
        assert np.abs(tau - judge).max() <= 1e-12 * np.abs(judge).max(), engine


# What each kind adds to mj_inverse: the part of FullInverse that must then not be zero.
FELT = {
    "passive": [
        "joint springs",
        "plastic springs",
        "joint dampers",
        "gravity compensation",
        "fixed tendon",
        "spatial tendon",
        "plastic tendon",
        "medium",
        "medium around ellipsoids",
        "motor",
    ],
    "constraint": ["friction loss", "limits", "contacts"],
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_full_inverse_is_mj_inverse_and_its_parts(kind):
    model = compiled(**ACCEPTED[kind])
    states = dynamics.random_states(model, 20, seed=0)
    full = dynamics.full_inverse(model, *states)
    for i, state in enumerate(zip(*states)):
        data = mujoco.MjData(model)
        data.qpos, data.qvel, data.qacc = state
        mujoco.mj_inverse(model, data)
        np.testing.assert_array_equal(full.total[i], data.qfrc_inverse)
    for part, kinds in FELT.items():
        if kind in kinds:
            assert np.abs(getattr(full, part)).max() > 0
    if kind in ("every optional feature", "integrator discrete"):
        return  # there MuJoCo takes qacc for a difference of velocities
    tau = dynamics.mujoco_inverse(model, *states)
    # Rounding of the largest part, which the sum of the others must make up for.
    scale = max(np.abs(a).max() for a in (full.total, full.passive, full.constraint, tau))
    assert np.abs(full.tau - tau).max() <= 1e-14 * scale
    np.testing.assert_allclose(full.total, tau - full.passive - full.constraint, rtol=0, atol=1e-14 * scale)


def test_passive_forces_of_a_sprung_pendulum_in_closed_form():
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><compiler angle="radian"/><worldbody><body gravcomp=".25">
        <joint axis="0 1 0" stiffness="3" springref=".2" damping=".4" frictionloss=".7"/>
        <inertial pos="0 0 -.5" mass="2" diaginertia=".1 .1 .1"/></body></worldbody></mujoco>"""
    )
    theta, rate, acceleration = np.array([[[0.5]], [[1.5]], [[2.0]]])
    full = dynamics.full_inverse(model, theta, rate, acceleration)
    weight = 2 * 9.81 * 0.5 * np.sin(theta)
    np.testing.assert_allclose(full.tau, (0.1 + 2 * 0.5**2) * acceleration + weight)
    np.testing.assert_allclose(full.passive, -3 * (theta - 0.2) - 0.4 * rate + 0.25 * weight)
    np.testing.assert_allclose(full.constraint, -0.7)
    np.testing.assert_array_equal(full.total, full.tau - full.passive - full.constraint)


def test_bodies_asleep_are_computed_as_if_awake():
    """A simulation leaves a tree that starts asleep where it was compiled, until it moves."""
    states = dynamics.random_states(compiled(), 3, seed=0)
    still = states._replace(qvel=np.zeros_like(states.qvel))
    asleep, awake = compiled(**ACCEPTED["sleep"]), compiled(geom='contype="0"')
    assert asleep.opt.enableflags & int(mujoco.mjtEnableBit.mjENBL_SLEEP)
    for inverse in (lambda *given: dynamics.full_inverse(*given).total, dynamics.mujoco_inverse):
        np.testing.assert_array_equal(inverse(asleep, *still), inverse(awake, *still))


# What enters tau in a way that is not modelled, or makes it indeterminate: named, with what to do.

CLOTH = '<flexcomp name="f" type="grid" count="3 3 1" spacing=".1 .1 .1" radius=".01" dim="2" mass="1"/>'
WRITE_OFF = 'write active="false" to leave it out, or call full_inverse'
REFUSED = {
    "connect": (
        {"after": '<equality><connect name="e" body1="box" body2="lower" anchor="0 0 0"/></equality>'},
        "equality 'e': an active equality constraint (connect) is not handled",
        WRITE_OFF,
    ),
    "weld": (
        {"after": '<equality><weld name="e" body1="post" body2="lower"/></equality>'},
        "equality 'e': an active equality constraint (weld)",
        WRITE_OFF,
    ),
    "joint equality": (
        {"after": '<equality><joint joint1="hinge" joint2="slide"/></equality>'},
        "equality '#0': an active equality constraint (joint)",
        WRITE_OFF,
    ),
    "tendon equality": (
        {"after": FIXED.format("") + '<equality><tendon name="e" tendon1="t"/></equality>'},
        "equality 'e': an active equality constraint (tendon)",
        WRITE_OFF,
    ),
    "armature of a fixed tendon": (
        {"after": FIXED.format('armature=".3"')},
        "tendon 't': a tendon with armature is not handled",
        'write armature="0", or call full_inverse',
    ),
    "armature of a spatial tendon": (
        {"after": SPATIAL.format('armature=".3"').replace('<geom geom="ball"/>', "")},
        "tendon 't': a tendon with armature is not handled",
        'write armature="0", or call full_inverse',
    ),
    "armature of a motor": (
        actuator('<motor name="m" joint="hinge" gear="3" armature=".1"/>'),
        "actuator 'm': an actuator with armature is not handled",
        "write armature x gear^2 at the joint instead",
    ),
    "armature of a motor on a tendon": (
        {"after": FIXED.format("") + '<actuator><motor name="m" tendon="t" armature=".1"/></actuator>'},
        "actuator 'm': an actuator with armature is not handled",
        "call full_inverse",
    ),
    "deformable": (
        {"world": CLOTH},
        "flex 'f': a deformable (flex) is not handled",
        "call full_inverse",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("engine", ENGINES)
def test_contents_that_enter_tau_are_refused_by_name(engine, kind):
    contents, what, remedy = REFUSED[kind]
    model = compiled(**contents)
    states = model.qpos0, np.zeros(model.nv), np.zeros(model.nv)
    with pytest.raises(dynamics.ModelError) as caught:
        ENGINES[engine](model, *states)
    message = str(caught.value)
    assert what in message
    assert remedy in message
    assert "\n" not in message
    assert "accepted: any forest of free, ball, slide and hinge joints" in message


@pytest.mark.parametrize("kind", REFUSED)
def test_full_inverse_takes_what_the_engines_refuse(kind):
    model = compiled(**REFUSED[kind][0])
    rng = np.random.default_rng(0)
    qvel, qacc = rng.standard_normal((2, model.nv))
    full = dynamics.full_inverse(model, model.qpos0, qvel, qacc)
    data = mujoco.MjData(model)
    data.qpos, data.qvel, data.qacc = model.qpos0, qvel, qacc
    mujoco.mj_inverse(model, data)
    np.testing.assert_array_equal(full.total, data.qfrc_inverse)
    M = np.empty((model.nv, model.nv))
    mujoco.mj_forward(model, data)
    mujoco.mj_fullM(model, data, M)
    judge = M @ qacc + data.qfrc_bias  # armature of tendons and actuators included
    scale = max(np.abs(a).max() for a in (full.total, full.passive, full.constraint, judge))
    np.testing.assert_allclose(full.tau, judge, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("kind", ["weld", "armature of a motor", "armature of a fixed tendon"])
def test_what_is_refused_would_have_changed_the_answer(kind):
    model, plain = compiled(**REFUSED[kind][0]), compiled()
    states = dynamics.random_states(plain, 1, seed=0)
    full, without = dynamics.full_inverse(model, *states), dynamics.full_inverse(plain, *states)
    assert np.abs(full.total - without.total).max() > 1e-6 * np.abs(without.total).max()


def test_full_inverse_needs_room_for_contacts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its own warning into a log there
    balls = "".join(f"<body pos='{i * 0.05} 0 .05'><freejoint/><geom size='.1'/></body>" for i in range(20))
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><size memory='32K'/><worldbody>"
        f"<geom type='plane' size='1 1 1'/>{balls}</worldbody></mujoco>"
    )
    still = np.zeros((2, model.nv))
    with pytest.raises(
        dynamics.ModelError, match=r"32768 bytes .* do not hold .* accepted: a larger <size memory="
    ):
        dynamics.full_inverse(model, np.tile(model.qpos0, (2, 1)), still, still)
