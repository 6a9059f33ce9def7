"""5. Renders of the CAD catalogue with exact labels.

Reads: data/00_catalogue. Writes: data/05_synthesis. Touches: the renderer; sealed geometry through custody.
Rule: renders are for training only; geometry never leaves custody, pictures do.
"""
