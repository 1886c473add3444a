"""Rows with which the agent explains a fact."""

from schedune.codes.row import Actor, Precedence, Row, Stage
