"""The quality of a style: content lost, style missed, artefacts (`python -m train.evaluate`).

It takes a style, its painting and photos, and returns figures and a picture that shows them side by side.
The rooms of reports and runs may import it, export/ too; it knows nothing of training.
"""
