"""The objective as a mixed-integer program, for HiGHS; shares no code with the elimination.

solver   a program under construction, and how HiGHS solved it
model    CostTable -> PartitionProgram: the objective as a program
silence  what HiGHS prints is kept off standard output
milp     the method: a second opinion
"""
