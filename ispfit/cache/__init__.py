"""Images that were decoded once, on disk, and read from there by memory mapping."""

from ispfit.cache.folder import CacheUse, cache_entry, cache_folder, cache_use, clear_cache, remove_damaged
from ispfit.cache.images import CachedImage, cached, no_cache_because, open_image, store_image

__all__ = [
    "CacheUse",
    "CachedImage",
    "cache_entry",
    "cache_folder",
    "cache_use",
    "cached",
    "clear_cache",
    "no_cache_because",
    "open_image",
    "remove_damaged",
    "store_image",
]
