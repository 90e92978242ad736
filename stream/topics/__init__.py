"""The topics that a rule set needs: planned, compared with what there is, made, shown, followed.

Doors: `plan`, `counts`, `ensure`, `fit`, `format`, `permissions`, `placement`, `revisions`, `show`, `skips`,
`switches`; the room `tail`.
"""
