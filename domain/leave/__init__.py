"""Leave from meetings: asked for, decided by whoever the phase of the congress says, taken."""
