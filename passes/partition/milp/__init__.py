"""The objective as a mixed-integer program, for HiGHS; shares no code with the elimination.

program    a program under construction, and how HiGHS solved it
placement  CostTable -> Placement: the objective as a program
"""
