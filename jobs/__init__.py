"""Run work somewhere: publish results atomically, claim work so that it is done once, start
processes side by side.

Nothing here knows chemistry or imports another package of halobind.
"""
