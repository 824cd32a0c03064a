"""The models' programs in LaTeX, one file each: the primal, a line `% dual`, and the dual where there is one."""
