"""Run work somewhere: publish results atomically, claim work, start processes and batch jobs.

Nothing here knows chemistry or imports another package of halobind.
"""
