"""The exact solver behind the pass `partition`, in the order in which data passes.

columns      CostTable -> Columns: the table as arrays
model        Columns -> FactorGraph: the objective as a sum of small tables
ordering     FactorGraph -> Order: which variables go together, and when
elimination  FactorGraph -> Minimum: the least total and where it is attained
"""
