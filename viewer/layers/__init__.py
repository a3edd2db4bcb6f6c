"""One file a layer of the 3D view; each turns part of a view into Polyscope structures."""
