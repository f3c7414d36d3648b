"""optrun: a laboratory for training neural networks on the command line.

A file imports only from a lower floor, or from its own room's `base.py`:

   12  selftest/inside          programs that are optrun with a fault in it
   11  cli                      words in, exit code out
   10  command                  one file for each command
    9  composing overview       one run, by Hydra; runs, sweeps and tunes on one page
    8  tune lecture selftest    a sweep that learns what to try next; a claim that is put to the test; what is
                                promised, tried on the program in processes of its own
    7  sweep parallel checkup landscape
                                many runs as one thing; one run as many processes; one run looked at again by the
                                doctor; the loss around runs that were trained
    6  job provenance preview gradcheck lr_range grammar ranges guard
                                one run, from its configuration to its pictures; what it runs with; a schedule, a
                                gradient, a range of rates without one; what is typed, and what of it is a range;
                                what Hydra may call
    5  lanes build plot report screen menu doctor recording
                                runs side by side; names to objects; rows to pictures, pages and lines; code to help
                                pages; what is wrong with a run; what is told to its recorders
    4  train state store        the one loop; where a run stands; the run folder
    3  run export               a frozen record of all choices; an optimizer of ours in anybody's loop
    2  dataset preprocess sampler architecture init loss regularizer optimizer schedule stop probe recorder
    1  linalg foreign architecture/activation architecture/normalization
                                numerics without policy; anybody's optimizer in our loop; what the choices of a room
                                are composed of
    0  core                     theta and layout, objective, random streams, checks, errors
"""

import os

# MKL multiplies matrices in the same way wherever in memory they lie, so that a run side by side with others does not
# round by its place. It is read when MKL is first called, which importing torch does not do, and costs nothing (batched
# products of 100 x 64 x 32: 143 us with it and without, one thread of an AMD EPYC; float64 is faster with it).
os.environ.setdefault("MKL_CBWR", "AUTO")

__version__ = "0.1.0"
