"""What is learnt, what is measured, and whether it is more than noise."""
