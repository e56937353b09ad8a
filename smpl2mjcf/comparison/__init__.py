"""Any two MuJoCo humanoids side by side: `smpl2mjcf compare` and `smpl2mjcf.compare`."""
