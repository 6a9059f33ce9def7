"""Labelling: photographs are put before people, and their answers come back as a frozen snapshot.

Reads: label_configs/, data/01_intake, existing labels handed in. Writes: data/02_labelling.
Touches: Label Studio, through the `Labeller` port. Rule: no photograph has two tasks; no answer is changed here.
"""
