"""What people tell the box while it runs: the orders, the socket that they come by, what each does, and the trail that they leave."""
