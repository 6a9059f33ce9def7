"""The Workbench: from a partner's delivery of photographs to a verified dataset release.

The folders below are the flow of one photograph; ``docs/ARCHITECTURE.md`` is the map.
"""

__version__ = "0.1.0"
