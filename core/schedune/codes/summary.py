"""Headline reasons of conditions: NoEligibleNode, Placed, Running, Stopped."""

from schedune.codes.row import Actor, Precedence, Row, Stage
