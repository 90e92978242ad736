"""The project itself: its layers, its documents, its settings."""
