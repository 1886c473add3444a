"""CustomResourceDefinitions, made from the models."""

from schedune.api.crd.definition import DEFINITIONS, render_definition

__all__ = ["DEFINITIONS", "render_definition"]
