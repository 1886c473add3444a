"""Rows that reject a (node, backend) pair."""

from schedune.codes.row import Actor, Precedence, Row, Stage
