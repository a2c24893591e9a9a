"""The ways to step N environments behind one interface: in this process, or in worker processes."""
