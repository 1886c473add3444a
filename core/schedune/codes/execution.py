"""Rows about a placement on its node: preparation, launch, run, stop, recovery."""

from schedune.codes.row import Actor, Precedence, Row, Stage
