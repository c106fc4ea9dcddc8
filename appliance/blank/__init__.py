"""The blank control: what the judge says to each policy where there is nothing to see and nothing to hear."""
