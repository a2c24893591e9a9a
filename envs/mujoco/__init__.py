"""The MuJoCo toolkit: model factors, fast rendering, exact states."""
