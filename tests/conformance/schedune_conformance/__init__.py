"""Compare Schedune with what the original system answers to concrete inputs.

The corpus is data beside the checkout and is read where it lies; nothing of it is kept
here. A case is answered by our own code, through ``engine`` and the importer, and compared
field by field; a difference is allowed only by a rule of ``rules`` or ``defects``, each of
which names the section of the corpus's README that allows it.
"""
