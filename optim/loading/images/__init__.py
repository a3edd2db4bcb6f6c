"""What belongs to images: videos, cameras and lenses, depth, masks, the floor of PlaneRCNN."""
