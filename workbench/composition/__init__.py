"""Composition: path-traced cut-outs of catalogue parts, with their shadows, on photographs of empty surfaces.

Reads: data/00_backgrounds, data/00_catalogue, data/00_deliveries (usage terms), data/01_intake, data/03_adjudication,
data/04_curation. Writes: data/06_composition.
Touches: nothing; what renders cut-outs and what turns pixels come in as arguments.
Rule: a partner's photograph is a background only if its terms name that purpose, it is of the training split and labelled
as showing no object; the picture made of it stays in its group, and goes when it goes.
"""
