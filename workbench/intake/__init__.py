"""intake.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
