"""lastlayer beside its peers and beside the limits of memory, in one run.

`cases` says what is computed, `suites` which cases answer which question, `inputs` and `answers`
what is given and what is right, `contestants`, `peers` and `frameworks` who computes it. `measure`
takes the times in turns, `memory` the peak in a process of its own, `machine` says where, `run`
puts them together. `results` holds what was found; `overview`, `report`, `terminal` and the
pictures (`chart`, `curves`, `figure`) show it.
"""
