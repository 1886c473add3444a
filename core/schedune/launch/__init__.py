"""What a launch is: the intent, resolved for one node and backend, and its validation.

The same validation answers in the decision and, on live facts, in the agent right
before the launch. Here belongs what a launch *needs*; how it is carried out belongs
to the agent.
"""
