"""stream.authoring.page.page."""
