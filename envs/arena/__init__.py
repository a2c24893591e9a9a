"""What the point agents of flat arenas share: geometry, motion, pictures, N episodes at once, experts."""
