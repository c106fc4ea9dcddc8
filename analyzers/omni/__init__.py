"""The omni judge: a local Qwen3-Omni thinker that answers all policies of a batch of windows in one forward."""
