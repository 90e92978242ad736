"""`make bench`: the cases that the project's speed is held to, measured in turns, and a page of them."""
