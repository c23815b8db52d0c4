"""GDDR6-AiM: multipliers with an adder tree beside every bank; one command drives all banks."""
