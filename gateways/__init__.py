"""The outside world, one module per neighbour, each with a stand-in that speaks its protocol."""
