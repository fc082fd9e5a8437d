"""The built-in backbones, a file each; what they share is in `parts`."""
