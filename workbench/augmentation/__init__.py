"""6. Augmented copies of training photographs, each following from its parent, its number and the recipe alone.

Reads: data/01_intake, data/03_adjudication, data/04_curation. Writes: data/06_augmentation.
Touches: nothing; what turns pixels comes in as an argument.
Rule: only labelled photographs of the training split are copied; a copy stays in its parent's group and split.
"""
