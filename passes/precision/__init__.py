"""What fewer bits do to outputs: measured node by node, and kept within a budget."""
