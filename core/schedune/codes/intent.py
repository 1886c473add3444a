"""Rows about a VMWorkload that cannot be served as written."""

from schedune.codes.row import Actor, Precedence, Row, Stage
