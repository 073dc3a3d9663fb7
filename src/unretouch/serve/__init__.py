"""The app: the whole way in a browser on one's own computer, without a terminal."""
