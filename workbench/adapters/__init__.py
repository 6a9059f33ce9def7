"""adapters.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
