"""LeWorldModel (arXiv 2603.19312)."""

from swm.baselines.lewm.model import LeWMConfig, LeWorldModel

__all__ = ["LeWMConfig", "LeWorldModel"]
