"""The layers of the 3D view, one file each; a layer turns part of a view into Polyscope structures."""
