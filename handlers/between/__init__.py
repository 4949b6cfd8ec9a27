"""What crosses from one replica to another: calls on servers that run there, letters, questions about tasks."""
