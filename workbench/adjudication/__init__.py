"""3. Adjudication: annotators' answers become ground truth where they agree, and a list of dissent where not.

Reads: data/01_intake (which image stands for which photograph), data/02_labelling, label_configs/taxonomy.yaml. Writes: data/03_adjudication.
Touches: nothing.
Rule: the rules of acceptance stand in params.yaml; what is not accepted by them is listed, never dropped.
"""
