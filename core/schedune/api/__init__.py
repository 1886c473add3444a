"""The three Kubernetes objects as pydantic models: the one source of the CRDs.

Here belongs the shape of VMWorkload, VMPlacement and NodeTruth and what the API server
can check of it (schema, CEL). What a spec *means* belongs to ``launch`` and
``eligibility``.
"""
