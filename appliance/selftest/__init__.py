"""The box's test of itself: clips whose answers are known go the whole way of an alarm, from the decoder to the broker's word."""
