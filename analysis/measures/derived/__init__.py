"""What studies with derived models come to: forgetting, recovery, and the rotation of singular vectors."""
