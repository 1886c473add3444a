"""``schedune doctor``: every probe once, on this machine, with no cluster and no token."""
