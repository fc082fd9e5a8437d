"""The built-in backbones, one file each; `parts` holds the modules that they share."""
