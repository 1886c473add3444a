"""Answers at ``kubectl apply``: a warning, or where a namespace asks for it a refusal."""
