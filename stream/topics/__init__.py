"""The topics that a rule set needs: planned, compared with what there is, made, shown.

Doors: `plan`, `ensure`, `fit`, `format`, `permissions`, `placement`, `revisions`, `show`, `skips`.
"""
