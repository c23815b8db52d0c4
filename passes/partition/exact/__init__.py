"""The exact solver behind `partition` and `explain`, in the order in which data passes.

arrays        CostTable -> TableArrays: the whole table as arrays, by the objective
transfers     TableArrays -> Transfers: which transfers are still to be decided
model         TableArrays, Starts -> Model: the objective as a sum of small tables
ordering      FactorGraph -> Order: which variables are eliminated together, and when
elimination   FactorGraph, Order -> Minimum: the least total and where it is attained
marginals     FactorGraph, Order -> the least total for each state of each variable
problem       all of these for one table, at changing prices
budgets       Problem -> Dual: bound and assignments where budgets might be exceeded

factor_graph and equal_columns are what they share: the type, and grouping equal columns.
README.md follows three nodes through all of it.
"""
