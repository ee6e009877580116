//! Linking, merging and finding duplicates on the smallest graphs that show them.
