"""The plugin host: `hookimpl` to mark a hook, `list_backbones` and `get_backbone` to find what is installed."""

from ispfit.plugins.manager import get_backbone, list_backbones
from ispfit.plugins.specs import hookimpl

__all__ = ["get_backbone", "hookimpl", "list_backbones"]
