"""adjudication.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
