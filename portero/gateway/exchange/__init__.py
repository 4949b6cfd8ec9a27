"""One request and its answer: read in its era, watched while it is under way, called off, put into its form."""
