"""HDF5: one file with flat columns, or with a group per demonstration."""
