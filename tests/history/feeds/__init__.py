"""Tests of stream/feeds."""
