"""Navigation between two rooms: factors, geometry, dynamics, pictures, the environment and its expert."""
