"""release.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
