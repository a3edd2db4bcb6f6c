"""What the layers of the 3D view share: viewpoint, clicks into the scene, skinning, the clip's own pictures."""
