"""Tables and figures: one module per item of the paper, built from the collected tables only.

An item is a module of this folder with a function `build(tables: Tables) -> Table | Figure`.
"""
