"""The engine as a whole: stream.engine and stream._fastmatch."""
