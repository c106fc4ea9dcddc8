"""The omni judge: the thinker of a local Omni model, which answers all policies of a batch of windows in one forward."""
