"""The built-in backbones, one file each. They are found through the same hook as anybody's plugin."""
