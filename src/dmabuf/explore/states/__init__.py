"""What a state is: equal fingerprints where everything that can happen next is equal."""
