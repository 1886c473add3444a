"""Builders and fixtures that several test packages share."""
