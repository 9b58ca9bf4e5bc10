"""The quality bench: what reuse costs in fidelity and saves in time, on a real model and real questions."""
