"""What is learned: functions from tensors to tensors or distributions."""
