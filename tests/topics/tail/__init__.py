"""Tests of stream/topics/tail."""
