"""Duty records (履职记录): what a deputy has done, written down by itself and confirmed by them."""
