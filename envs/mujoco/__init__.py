"""The MuJoCo toolkit: model factors, fast rendering, exact states, and factors for any model."""

import os
import sys

if sys.platform == "linux":
    os.environ.setdefault("MUJOCO_GL", "egl")  # before the first import of mujoco, which looks at it
