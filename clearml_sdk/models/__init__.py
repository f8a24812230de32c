"""Models: weights with their description, registered with the server and stored like artifacts."""
