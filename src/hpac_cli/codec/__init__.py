"""Image samples to coded tiles and back: joins the network and the entropy coder."""
