"""lastlayer beside its peers and beside the limits of memory, in one run.

`cases` says what is computed and what the right answer is, `contestants` and `peers` who computes
it, `measure` takes the times in turns, `memory` the peak in a process of its own, `machine` says
where, and `report`, `chart` and `terminal` show it.
"""
