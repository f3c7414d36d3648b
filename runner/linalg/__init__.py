"""Numerics without policy.

A large symmetric matrix A `[P, P]`, the Hessian of a network say, is known by its products alone: an `Operator` maps
v `[P]` to A v `[P]`. What a method costs is the number of products it takes; the rest are sums over vectors.

    A x = b             cg                                   eigenvalues    power_iteration lanczos spectral_density
    the best step       trust_region steihaug dogleg         trace          trace
    a step's length     line_search                          small, dense   cholesky roots newton_schulz

Every iteration is stopped by a tolerance or by a limit, and says by which. Numbers that decide (a curvature, a norm)
are read as floats: one wait for the device in each iteration. What is not finite ends an iteration unconverged, or
is refused where nothing could be answered.
"""
