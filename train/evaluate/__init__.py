"""How good a style is: content lost, style missed, artefacts (`python -m train.evaluate`).

In come a style, its painting and photos; out come figures and a picture that shows them side by side.
The rooms of steps, reports and runs may import it, and export/ too; it knows nothing of training.
"""
