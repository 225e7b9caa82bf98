// There.
