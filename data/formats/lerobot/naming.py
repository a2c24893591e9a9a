"""LeRobot's names of features and ours of columns, both ways."""

from collections.abc import Collection

from swm.data.columns import percent_escape

TRANSITION_OF = {
    "action": "action",
    "next.reward": "reward",
    "next.done": "terminated",
    "next.truncated": "truncated",
    "next.success": "success",
}
"""Feature -> transition."""
FEATURE_OF = {transition: feature for feature, transition in TRANSITION_OF.items()}

TASK = "task"
"""The text component that LeRobot's tasks become."""
TASK_COMPONENTS = (TASK, "language_instruction")
"""Text components that become LeRobot's tasks: the first that an episode has."""
VALID = "action_valid"
"""Written feature: false in the last row of an episode whose transition values only repeat the row before."""

_OBSERVATION = "observation."
_CAMERAS = ("observation.images.", "pixels.")
_CAMERA = ("observation.image", "pixels")


def component_of(feature: str, taken: Collection[str]) -> str:
    """Name the observation component of a feature.

    ``observation.images.<camera>`` is ``pixels.<camera>``, ``observation.image`` is ``pixels``,
    ``observation.<name>`` is ``<name>``; any other feature keeps its name.

    Args:
        feature: LeRobot's name.
        taken: names that are not free; a feature whose short name is among them keeps its full name.
    """
    if feature == _CAMERA[0]:
        short = _CAMERA[1]
    elif feature.startswith(_CAMERAS[0]):
        short = _CAMERAS[1] + feature.removeprefix(_CAMERAS[0])
    else:
        short = feature.removeprefix(_OBSERVATION)
    return _free(feature, taken) if short in taken else short


def feature_of(component: str, taken: Collection[str]) -> str:
    """Name the feature of an observation component: the inverse of `component_of` where names allow it.

    LeRobot forbids slashes and makes folders of cameras' names, so that other characters than
    letters, digits, blanks, dots, hyphens and underscores are percent-escaped.
    """
    if component == _CAMERA[1]:
        name = _CAMERA[0]
    elif component.startswith(_CAMERAS[1]):
        name = _CAMERAS[0] + component.removeprefix(_CAMERAS[1])
    else:
        name = _OBSERVATION + component
    return _free(percent_escape(name, r"[^\w .-]"), taken)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name
