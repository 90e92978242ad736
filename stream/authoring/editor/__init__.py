"""`stream lsp`: what an editor shows while rule files are written.

Everything but `server` and `features` knows texts and places in them, not the protocol. Its door is
`features`.
"""
