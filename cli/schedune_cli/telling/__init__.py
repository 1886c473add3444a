"""Explanations rendered: one module for each form. Pure: values in, text out."""
