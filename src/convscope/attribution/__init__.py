"""Input-shaped explanations of one score: what each part of an input says for or against a class."""
