"""`dynamics` takes any MJCF of free, ball, hinge and slide joints: three engines on a double pendulum."""

import mujoco

import dynamics

model = mujoco.MjModel.from_xml_string(
    """<mujoco><worldbody>
      <body pos="0 0 1">
        <joint axis="0 1 0" damping="0.1"/>
        <geom type="capsule" fromto="0 0 0 0 0 -.4" size=".03"/>
        <body pos="0 0 -.4">
          <joint axis="0 1 0" armature="0.01"/>
          <geom type="capsule" fromto="0 0 0 0 0 -.4" size=".02"/>
        </body>
      </body>
    </worldbody></mujoco>"""
)
states = dynamics.random_states(model, 100, seed=0)
for (a, b), difference in dynamics.compare_engines(model, states).items():
    print(f"{a} vs {b}: largest relative difference {difference:.1e}")
