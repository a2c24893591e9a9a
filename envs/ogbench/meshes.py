"""Coarser meshes for pictures: OGBench's arm has 185 000 triangles, most of them smaller than a pixel."""

import mujoco
import numpy as np

from swm.core.protocols import Array


def coarsen(model: mujoco.MjModel, cell: float) -> None:
    """Merge the vertices of each mesh that lie in one cell of a grid, in what is drawn.

    Triangles that fall together vanish; the others keep their normals, so that shading stays
    smooth. Contacts are those of before: MuJoCo collides the convex hulls, which have data of
    their own.

    Args:
        model: changed in place, before it is drawn for the first time.
        cell: side of the cells, in m.

    Source: Rossignac, Borrel, "Multi-resolution 3D approximations for rendering complex scenes", 1993.
    """
    for mesh in range(model.nmesh):
        vertices = _rows(model.mesh_vertadr[mesh], model.mesh_vertnum[mesh])
        faces = _rows(model.mesh_faceadr[mesh], model.mesh_facenum[mesh])
        merged = _representatives(model.mesh_vert[vertices], cell)[model.mesh_face[faces]]
        corners = np.sort(merged, axis=1).astype(np.int64)
        kept = np.flatnonzero((corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]))
        kept = kept[np.sort(np.unique(_key(corners[kept]), return_index=True)[1])]
        target = slice(faces.start, faces.start + len(kept))
        model.mesh_face[target] = merged[kept]
        for field in (model.mesh_facenormal, model.mesh_facetexcoord):
            field[target] = field[faces][kept]
        model.mesh_facenum[mesh] = len(kept)


def _representatives(vertices: Array, cell: float) -> Array:
    """For each vertex (V, 3), the index of that of its cell which is nearest to the mean of the cell: (V,)."""
    places = np.floor((vertices - vertices.min(axis=0)) / cell).astype(np.int64)
    _, cells, counts = np.unique(_key(places), return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(cells, vertices[:, axis]) for axis in range(3)], axis=1) / counts[:, None]
    apart = ((vertices - means[cells]) ** 2).sum(axis=1)
    order = np.lexsort((apart, cells))
    first: Array = order[np.searchsorted(cells[order], np.arange(len(counts)))]
    return first[cells]


def _key(triples: Array) -> Array:
    """One integer (n,) for each triple (n, 3) of integers from 0 to 2**21 - 1."""
    key: Array = (triples[:, 0] << 42) | (triples[:, 1] << 21) | triples[:, 2]
    return key


def _rows(start: int, count: int) -> slice:
    return slice(int(start), int(start + count))
