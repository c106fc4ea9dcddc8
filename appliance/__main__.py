"""`python -m appliance` is `omniwatch`."""

from appliance.cli import main

main()
