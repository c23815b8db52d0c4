"""Orders in which a graph can run, where starting a stage has a price.

precedence    which node has to run before which, as lists and bit masks
best_order    for one assignment: an order in which its stages cost least to start
start_bound   a lower bound over all assignments in all orders, by flows along the graph's edges
joint         assignment and order together: dynamic programming over ideals
"""
