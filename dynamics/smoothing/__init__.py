"""Smoothers on the rotation manifold: pose, velocity, acceleration and the weights of the samples' noise."""

from .chart import Chart
from .kernels import Kernels
from .smoother import METHODS, Noise, Smoothed, smooth

__all__ = ["METHODS", "Chart", "Kernels", "Noise", "Smoothed", "smooth"]
