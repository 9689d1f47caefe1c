"""From a recipe and arrays to a trained network; knows no study."""
