"""What cannot be imported everywhere is not looked at for doctests."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("triton") else ["ispfit/backbones/triton_votes.py"]
