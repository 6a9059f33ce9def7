"""curation.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
