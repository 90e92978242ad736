"""Types of the compiled `_room`, which has nothing that Python sees; the essay is in `_room.pyx`."""
