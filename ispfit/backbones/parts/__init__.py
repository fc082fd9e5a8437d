"""Modules and functions that the backbones share."""
