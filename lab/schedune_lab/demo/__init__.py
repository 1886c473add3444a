"""The demo: the story of the README on a real control plane, each step proved.

What a step claims it reads back from the API server and the process table. Nothing
here starts or ends parts by itself; that is the lab's business (``DemoLab``).
"""
