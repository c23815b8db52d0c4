"""The exact solver behind `partition` and `explain`, in the order in which data passes.

priced        CostTable -> what nodes and moves cost by the objective
columns       CostTable -> Columns: the whole table as arrays
copies        Columns -> Copies: which copies are still to be decided
model         Columns, Copies -> FactorGraph: the objective as a sum of small tables
ordering      FactorGraph -> Order: which variables are eliminated together, and when
elimination   FactorGraph, Order -> Minimum: the least total and where it is attained
marginals     FactorGraph, Order -> the least total for each state of each variable
problem       all of these for one table, at changing prices
capacity      Problem -> Bargain: bound and best offer where memories can fill up

factor_graph and alike are what they share: the type, and finding rows that are alike.
"""
