"""Labelling: photographs are put before people, and their answers come back as a frozen snapshot.

Reads: campaigns/, label_configs/, data/00_deliveries, data/01_intake, data/03_adjudication, data/04_curation,
existing labels handed in. Writes: data/02_labelling.
Touches: Label Studio, through the `Labeller` port. Rule: no labeller has two tasks of one photograph, unless it was
sent back; no answer is changed here, and every version of it is kept.
"""
