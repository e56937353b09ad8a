"""A body and a motion become joint torques, in memory."""

import dynamics
import smpl2mjcf

body = smpl2mjcf.default_body()  # or smpl2mjcf.load_body("SMPL_NEUTRAL.npz")
motion = smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz"))
human = smpl2mjcf.build_humanoid(body, mass=70.0)

qpos = smpl2mjcf.motion_to_qpos(human, motion)
traj = dynamics.trajectory(human.model, qpos, fps=motion.fps, cutoff=6.0)
result = dynamics.inverse_dynamics(human.model, traj)

knee = human.model.jnt_dofadr[human.joint_id("left_knee")]
print(f"{len(traj.time)} frames, tau {result.tau.shape}")
print(f"left knee flexion torque in swing: up to {result.tau[traj.valid, knee].max():.1f} N m")
print(f"mean vertical force the ground must supply: {result.root_residual[traj.valid, 2].mean():.0f} N")
