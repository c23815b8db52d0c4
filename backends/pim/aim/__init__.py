"""GDDR6-AiM: multipliers with adder trees beside every bank, which all work on one command."""
