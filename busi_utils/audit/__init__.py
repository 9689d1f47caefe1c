"""From folders of images to manifest, duplicates, cohorts and folds."""
