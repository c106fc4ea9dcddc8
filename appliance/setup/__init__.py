"""`omniwatch setup`: from questions, or a file of answers, to a box's first configuration."""
