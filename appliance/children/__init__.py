"""The processes under the supervisor: started, listened to, bounded and replaced."""
