"""The pure domain of Schedune: no I/O, clock, chance or logging in here.

What is known (``api``, ``fleet``, ``evidence``) is turned into what should be
(``eligibility``, ``scoring``, ``decision``, ``launch``, ``lifecycle``); every refusal
is a row of ``codes``. Whoever calls brings the time and carries out the answer.
"""
