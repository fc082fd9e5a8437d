"""The plugin host: `hookimpl` marks a hook, `list_backbones` and `get_backbone` find installed backbones."""

from ispfit.plugins.manager import get_backbone, list_backbones
from ispfit.plugins.specs import hookimpl

__all__ = ["get_backbone", "hookimpl", "list_backbones"]
