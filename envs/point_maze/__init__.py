"""PointMaze: move a point through a maze."""
