"""A child that never says anything, and outlives its socket."""

import time

if __name__ == "__main__":
    while True:
        time.sleep(3600)
